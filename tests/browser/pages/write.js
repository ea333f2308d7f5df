"use strict";
// Every way of changing something. What each would make is called by the way's own name, so that
// it can be told afterwards which came through.

// What a door takes as a JSON text, by which it would make something of that name. The last of it
// is a string, which a `text/plain` form leaves with a "=" at its end.
const DOORS = {
  "/upload": (name) => ({ FileName: name, Source: "page" }),
  "/todo": (name, task) => ({ userId: task.user, title: name, description: "page" }),
  "/events/s3": (name) => ({
    Records: [{
      eventName: "ObjectCreated:Put",
      eventTime: "2024-01-01T00:00:00.000Z",
      s3: { bucket: { name: "other" },
        object: { key: name, size: 1, eTag: "e", sequencer: "01" } },
    }],
    EventName: "page",
  }),
};
const POSTS = ["/files/upload", ...Object.keys(DOORS)];

// Address and body for a way through a door.
function target(task, path, name) {
  if (path === "/files/upload")
    return [`${task.service}${path}?file_name=${encodeURIComponent(name)}`, name];
  return [task.service + path, JSON.stringify(DOORS[path](name, task))];
}

// The one file of a form.
function chosen(task, path, name) {
  if (path !== "/upload") return new File([name], name, { type: "text/plain" });
  const picture = Uint8Array.from(atob(task.png), (letter) => letter.charCodeAt(0));
  return new File([picture], name, { type: "image/png" });
}

function formData(task, path, name) {
  const data = new FormData();
  data.append("file", chosen(task, path, name));
  return data;
}

// A form without script, sent into a frame; what the page sees in the frame.
function submitted(action, enctype, field, rel) {
  return new Promise((done) => {
    const frame = document.createElement("iframe");
    frame.name = `frame ${document.forms.length}`;
    document.body.append(frame);
    const form = document.createElement("form");
    Object.assign(form, { action, enctype, method: "post", target: frame.name, rel });
    const input = document.createElement("input");
    Object.assign(input, field);
    form.append(input);
    document.body.append(form);
    // Some browsers tell of the empty page that a frame begins with.
    frame.onload = () => {
      const shown = frame.contentDocument?.body?.innerText;
      if (shown !== "") done(shown ?? null);
    };
    form.submit();
  });
}

function field(enctype, task, path, name, body) {
  if (enctype === "multipart/form-data") {
    const transfer = new DataTransfer();
    transfer.items.add(chosen(task, path, name));
    return { type: "file", name: "file", files: transfer.files };
  }
  const end = body.endsWith('"}') ? body.length - 2 : body.length;
  return { type: "hidden", name: body.slice(0, end), value: body.slice(end) };
}

const REDIRECT = (home, url) => `${home}/redirect?to=${encodeURIComponent(url)}`;
// Options of a fetch; `via` makes of the address another one.
const FETCHES = {
  "cors": {},
  "no-cors": { mode: "no-cors" },
  "keepalive": { mode: "no-cors", keepalive: true },
  "no-referrer": { mode: "no-cors", referrerPolicy: "no-referrer" },
  "redirected": { mode: "no-cors", via: REDIRECT },
  "redirected cors": { via: REDIRECT },
};
// Forms by encoding, and how each is sent.
const ENCTYPES = {
  "form": "multipart/form-data",
  "plain form": "text/plain",
  "encoded form": "application/x-www-form-urlencoded",
};
const FORMS = { "": {}, " no-referrer": { rel: "noreferrer" }, " redirected": { via: REDIRECT } };
const itself = (_, url) => url;

// {way: what came of it}
async function writeAll(task, home) {
  const found = {};
  const note = async (name, work) => { found[name] = await attempt(work); };
  const token = { Authorization: `Bearer ${task.token}` };
  for (const path of POSTS) {
    const door = path.slice(1).replace("/", " ");
    const bare = task.service + path;
    const through = (way, send) => {
      const name = `${door}, ${way}`;
      const [url, body] = target(task, path, name);
      return note(name, () => send(url, body, name));
    };
    const post = (url, body, options = {}) => fetched(url, { method: "POST", body, ...options });
    await Promise.all([
      ...Object.entries(FETCHES).map(([way, { via = itself, ...options }]) =>
        through(way, (url, body) => post(via(home, url), body, options))),
      through("preflighted", (url, body) => post(url, body, {
        headers: { "Content-Type": "application/json", ...token } })),
      through("preflighted as if forwarded", (url, body) => post(url, body, {
        headers: { "X-Forwarded-Host": "localhost", ...token } })),
      through("FormData", (_, __, name) => post(bare, formData(task, path, name), {
        mode: "no-cors" })),
      through("XMLHttpRequest", (url, body) => asked(url, "POST", body)),
      through("beacon", async (url, body) => (navigator.sendBeacon(url, body), null)),
      through("beacon FormData", async (_, __, name) =>
        (navigator.sendBeacon(bare, formData(task, path, name)), null)),
    ]);
    for (const [encoding, enctype] of Object.entries(ENCTYPES))
      for (const [sent, { via = itself, rel = "" }] of Object.entries(FORMS))
        await through(encoding + sent, (url, body, name) => {
          const action = enctype === "multipart/form-data" ? bare : url;
          const input = field(enctype, task, path, name, body);
          return submitted(via(home, action), enctype, input, rel);
        });
  }
  const named = (name) => target(task, "/files/upload", name)[0];
  await note("files upload, ping", async () => {
    const link = document.createElement("a");
    link.href = `${home}/elsewhere`;
    link.ping = named("files upload, ping");
    link.target = "pinging";
    const frame = document.createElement("iframe");
    frame.name = "pinging";
    document.body.append(frame, link);
    link.click();
    return null;
  });
  await note("files upload, policy report", async () => {
    const url = encodeURIComponent(named("files upload, policy report"));
    return embedded("iframe", { src: `${home}/reporting?report=${url}` }, () => null);
  });
  // Last, as a control loses by it what it has.
  const file = `/files/${task.files.text}`;
  const changes = [
    ["PUT", file, "attack", "text/plain"],
    ["PUT", file, '{"file_name": "attack"}', "application/json"],
    ["PUT", `/todos/${task.todo}?userId=${task.user}`, '{"title": "attack"}', "text/plain"],
    ["POST", file, "attack", "text/plain"],
    ["PATCH", file, "attack", "text/plain"],
    ["DELETE", `/todos/${task.user}/${task.todo}`],
    ["DELETE", `/delete?FileName=${task.pictureName}`],
    ["DELETE", file],
  ];
  for (const [method, path, body, type] of changes) {
    const headers = type ? { "Content-Type": type } : {};
    const url = task.service + path;
    for (const mode of ["no-cors", "cors"])
      await note(`${method} ${path.split("?")[0]} ${type ?? ""} ${mode}`, () =>
        fetched(url, { method, body, headers, mode }));
  }
  return found;
}
