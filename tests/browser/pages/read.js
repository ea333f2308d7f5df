"use strict";
// Every way of reading is a function that resolves with what the page saw: text, or null.
const PATIENCE = 10000;

const sleep = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

// What came of an attempt: {saw}, {error}.
async function attempt(work) {
  const slow = sleep(PATIENCE).then(() => ({ error: "no answer" }));
  const tried = (async () => {
    try {
      const saw = await work();
      return saw === null ? { error: "nothing" } : { saw };
    } catch (error) {
      return { error: String(error) };
    }
  })();
  return Promise.race([tried, slow]);
}

async function fetched(url, options) {
  const response = await fetch(url, options);
  const text = await response.text();
  if (response.type === "opaque" && text === "") return null;
  return { status: response.status, headers: Object.fromEntries(response.headers), text };
}

function asked(url, method = "GET", body = null) {
  return new Promise((done, fail) => {
    const request = new XMLHttpRequest();
    request.open(method, url);
    request.onload = () => done({ status: request.status, text: request.responseText });
    request.onerror = () => {
      const seen = request.responseText + request.getAllResponseHeaders();
      if (seen || request.status) done({ status: request.status, text: seen });
      else fail("error");
    };
    request.send(body);
  });
}

function listened(url) {
  return new Promise((done, fail) => {
    const source = new EventSource(url);
    source.onmessage = (event) => done(event.data);
    source.onerror = (event) => (source.close(), fail(`error ${event.data}`));
  });
}

function worked(source) {
  return new Promise((done, fail) => {
    const blob = new Blob([source], { type: "text/javascript" });
    const worker = new Worker(URL.createObjectURL(blob));
    worker.onmessage = (event) => done(event.data);
    worker.onerror = (event) => fail(event.message);
  });
}

// An element that loads the address; `look` says what can be seen in it then.
function embedded(tag, attributes, look) {
  return new Promise((done, fail) => {
    const element = document.createElement(tag);
    const loaded = () => {
      try {
        done(look(element));
      } catch (error) {
        fail(error);
      }
    };
    element.onload = loaded;
    element.onerror = () => fail("error");
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    document.body.append(element);
  });
}

function pixels(image) {
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  return String(context.getImageData(0, 0, 1, 1).data);
}

const size = (image) => `${image.naturalWidth}x${image.naturalHeight}`;
const ran = () => window.leakedByScript ?? null;

function styled(link) {
  const seen = getComputedStyle(document.body).getPropertyValue("--leaked");
  return seen || (link.sheet ? [...link.sheet.cssRules].map((rule) => rule.cssText).join() : null);
}

function inside(frame) {
  const shown = frame.contentDocument ?? frame.contentWindow.document;
  return shown.body.innerText || null;
}

async function opened(url) {
  const other = window.open(url);
  try {
    for (let waited = 0; waited < 1000; waited += 100) {
      const text = other.document.body?.innerText; // fails as soon as it is another origin's
      if (text) return text;
      await sleep(100);
    }
    return null;
  } finally {
    other.close();
  }
}

// For any path: JSON or the bytes of a file.
const READ = {
  "fetch": (url) => fetched(url),
  "fetch no-cors": (url) => fetched(url, { mode: "no-cors" }),
  "fetch with credentials": (url) => fetched(url, { credentials: "include" }),
  "fetch with a preflight": (url) => fetched(url, { headers: { "X-Request-Id": "page" } }),
  "fetch as if forwarded": (url) => fetched(url, { headers: { "X-Forwarded-Host": "localhost" } }),
  "fetch of a range": (url) => fetched(url, { headers: { Range: "bytes=0-4" } }),
  "fetch of the head": (url) => fetched(url, { method: "HEAD" }),
  "XMLHttpRequest": (url) => asked(url),
  "EventSource": listened,
  "worker": (url) => worked(`fetch("${url}").then((r) => r.text())
    .then((text) => postMessage(text)).catch((error) => setTimeout(() => { throw error; }))`),
};
// For a path that a browser shows: an attachment it would save, and not tell the page.
const SHOW = {
  "iframe": (url) => embedded("iframe", { src: url }, inside),
  "object": (url) => embedded("object", { data: url }, inside),
  "window": opened,
};
// For the file of the fitting type.
const LOAD = {
  "img": ["picture", (src) => embedded("img", { src }, size)],
  "img crossorigin": ["picture", (src) => embedded("img", { src, crossorigin: "" }, pixels)],
  "script": ["script", (src) => embedded("script", { src }, ran)],
  "script crossorigin": ["script", (src) => embedded("script", { src, crossorigin: "" }, ran)],
  "script module": ["script", (src) => embedded("script", { src, type: "module" }, ran)],
  "import": ["script", (src) => import(`${src}?inline=0`).then(ran)],
  "importScripts": ["script", (src) => worked(
    `importScripts("${src}"); postMessage(self.leakedByScript)`)],
  "Worker": ["script", async (src) => (new Worker(src), "a worker")],
  "link": ["style", (href) => embedded("link", { href, rel: "stylesheet" }, styled)],
  "link crossorigin": ["style", (href) => embedded(
    "link", { href, rel: "stylesheet", crossorigin: "" }, styled)],
};

// {way: {path: what came of it}}
async function readAll(task) {
  const found = {};
  const note = async (way, path, work) => {
    const outcome = await attempt(work);
    (found[way] ??= {})[path] = outcome;
  };
  for (const path of task.paths) {
    const ways = task.shown.includes(path) ? { ...READ, ...SHOW } : READ;
    await Promise.all(Object.entries(ways).map(([way, read]) =>
      note(way, path, () => read(task.service + path))));
  }
  for (const [way, [file, load]] of Object.entries(LOAD)) {
    const path = `/files/${task.files[file]}`;
    await note(way, path, () => load(task.service + path));
    delete window.leakedByScript;
    document.querySelectorAll("link").forEach((link) => link.remove());
  }
  return found;
}

// What the browser tells of answers that it does not show: {url: size and status}.
function timing(task) {
  const found = {};
  for (const entry of performance.getEntriesByType("resource"))
    if (entry.name.startsWith(task.service))
      found[entry.name] = [entry.decodedBodySize, entry.responseStatus, entry.responseStart];
  return found;
}
