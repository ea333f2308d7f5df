"""One shape for every error (SPEC section 7): each code, on each route."""

import io
import logging
import re
import resource
import struct
import zlib
from collections.abc import Callable, Iterator

import pytest
from werkzeug.test import TestResponse

from blueprints.access import public
from errors import CATALOGUE
from tests.http.conftest import Serve
from tests.http.service import (
    FORM_TYPE,
    Request,
    Service,
    as_json,
    assert_error,
    body,
    chunked,
    form,
    part,
    raw,
    serve,
)

Asking = Callable[[], Request]


class Breaking:
    """`wsgi.input` that gives a little and then fails."""

    def __init__(self, error: Exception) -> None:
        self._pieces = iter([b"con"])
        self._error = error

    def readinto(self, buffer: memoryview, /) -> int:
        for piece in self._pieces:
            buffer[: len(piece)] = piece
            return len(piece)
        raise self._error


def with_headers(**headers: str) -> Asking:
    """A raw body with these headers."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda: raw(b"content", headers=named)


def without_body(**headers: str) -> Asking:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda: {"headers": named}


def cut_off() -> Request:
    return body(io.BytesIO(b"123"), 10, "text/plain")


def breaking(error: Exception, content_type: str = "text/plain") -> Asking:
    return lambda: body(Breaking(error), None, content_type)


NONE = without_body()
RAW = with_headers()
FILE = part("file", b"content", filename="a.txt")
TEXT, JSON = "text/plain", "application/json"
MD5_OF_NOTHING = "1B2M2Y8AsgTpgAmY7PhCfg=="
TOKEN = "token-of-the-events"
KNOWN = {"Authorization": f"Bearer {TOKEN}"}


def fields(**members: object) -> Asking:
    """A JSON object with these members."""
    return lambda: as_json(members)


def notified(value: object, **headers: str) -> Asking:
    """A notification from somebody who knows the token, or what these headers say."""
    return lambda: as_json(value, headers or KNOWN)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int) -> bytes:
    """The beginning of a picture that says that it is so large (PNG, section 11.2.1)."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"")


REMOVED = {
    "eventName": "ObjectRemoved:Delete",
    "s3": {"bucket": {"name": "elsewhere"}, "object": {"key": "a", "sequencer": "1"}},
}
UNKNOWN_TASK = "/todos/00000000-0000-4000-8000-000000000000"

# code -> requests that are answered with it; {id} is a file's, {image} that of an image which
# was recorded by its name, {task} a task's of the user ann.
REQUESTS: dict[str, list[tuple[str, Asking]]] = {
    "invalid_parameter": [
        ("GET /files?limit=0", NONE),
        ("GET /files?sort=", NONE),
        ("GET /files?created_after=now", NONE),
        ("GET /files/{id}?inline=2", NONE),
        ("GET /files/{id}?redirect=yes", NONE),
        ("GET /getall?limit=0", NONE),
        ("GET /Students?limit=x", NONE),
        ("GET /todos?userId=ann&limit=1001", NONE),
    ],
    "unknown_parameter": [
        ("GET /files?offset=1", NONE),
        ("GET /files?metadata.$ne=1", NONE),
        ("GET /files/{id}?limit=1", NONE),
        ("GET /files/{id}/metadata?inline=1", NONE),
        ("DELETE /files/{id}?force=1", NONE),
        ("POST /files/upload?name=a", RAW),
        ("PUT /files/{id}?name=a", RAW),
        ("PUT /files/{id}?file_name=a", lambda: as_json({"metadata": {}})),
        ("GET /metadata?bucket=b&key=k&owner=o", NONE),
        ("GET /Students?sort=created_at", NONE),
        ("POST /upload?FileName=a.png", fields(FileName="a.png")),
        ("GET /getall?file_name=a", NONE),
        ("POST /getitem?FileName=a.png", fields(FileName="a.png")),
        ("DELETE /delete?file_name=a", NONE),
        ("POST /todo?userId=ann", fields(userId="ann", title="t")),
        ("GET /todos?userId=ann&status=pending", NONE),
        ("PUT /todos/{task}?userId=ann&title=t", fields(title="t")),
        ("DELETE /todos/ann/{task}?force=1", NONE),
        ("POST /events/s3?token=x", notified({"Records": []})),
    ],
    "repeated_parameter": [
        ("GET /files?limit=1&limit=1", NONE),
        ("GET /files/{id}?inline=1&inline=1", NONE),
        ("POST /files/upload?file_name=a&file_name=a", RAW),
        ("GET /metadata?bucket=b&key=k&key=k", NONE),
        ("GET /todos?userId=ann&userId=ann", NONE),
    ],
    "invalid_query": [
        ("GET /files?file_name=%ff", NONE),
        ("GET /files?file_name=%zz", NONE),
        ("GET /files?file_name=%ed%a0%80", NONE),
        ("GET /files/{id}?%ff", NONE),
        ("POST /files/upload?file_name=%ff", RAW),
        ("GET /files?" + "&".join(f"metadata.k{n}=v" for n in range(200)), NONE),
    ],
    "invalid_cursor": [
        ("GET /files?cursor=x", NONE),
        ("GET /getall?cursor=x", NONE),
        ("GET /Students?cursor=x", NONE),
        ("GET /todos?userId=ann&cursor=x", NONE),
    ],
    "invalid_file_name": [
        ("POST /files/upload?file_name=a%2Fb", RAW),
        ("POST /files/upload?file_name=", RAW),
        ("POST /files/upload", with_headers(Content_Disposition='attachment; filename=".."')),
        ("PUT /files/{id}", lambda: as_json({"file_name": "."})),
        ("PUT /files/{id}", lambda: as_json({"file_name": {"$ne": None}})),
        ("PUT /files/{id}", lambda: form(part("file_name", b""))),
    ],
    "invalid_metadata": [
        ("PUT /files/{id}", lambda: as_json({"metadata": {"A": "b"}})),
        ("PUT /files/{id}", lambda: as_json({"metadata": None})),
        ("PUT /files/{id}", lambda: as_json({"metadata": {"a": {"$ne": None}}})),
        ("POST /files/upload", lambda: form(FILE, part("metadata", b"[]"))),
    ],
    "invalid_json": [
        ("PUT /files/{id}", lambda: as_json([])),
        ("PUT /files/{id}", lambda: as_json(None)),
        ("PUT /files/{id}", lambda: raw(b"{", JSON)),
        ("PUT /files/{id}", lambda: raw(b"", JSON)),
        ("PUT /files/{id}", lambda: raw(b'{"a": "\xff"}', JSON)),
        ("PUT /files/{id}", lambda: raw(b"[" * 10**5, JSON)),
        ("PUT /files/{id}", lambda: raw(b'{"a": ' + b"9" * 5000 + b"}", JSON)),
        ("POST /upload", lambda: as_json(["a.png"])),
        ("POST /upload", lambda: raw(b"FileName=a.png", JSON)),
        ("POST /getitem", lambda: as_json("a.png")),
        ("DELETE /delete", lambda: as_json(None)),
        ("POST /todo", lambda: as_json([])),
        ("POST /todo", lambda: raw(b"{", JSON)),
        ("PUT /todos/{task}?userId=ann", lambda: as_json("x")),
        ("POST /events/s3", notified([])),
        ("POST /events/s3", lambda: raw(b"{", JSON, KNOWN)),
    ],
    "invalid_key": [
        ("POST /upload", fields(FileName=5)),
        ("POST /upload", fields(FileName="a\0b.png")),
        ("POST /upload", fields(FileName="\ud800.png")),
        ("POST /upload", fields(FileName="ä" * 513)),
        ("POST /upload", fields(FileName="/a.png")),
        ("POST /upload", fields(FileName="/file-drop/a.png")),
        ("POST /getitem", fields(FileName={"$ne": None})),
        ("DELETE /delete?FileName=%00", NONE),
        ("DELETE /delete", fields(FileName=["a.png"])),
    ],
    "invalid_member": [
        ("POST /upload", fields(FileName="a.png", Bucket={"$ne": None})),
        ("POST /upload", fields(FileName="a.png", Source="x" * 256)),
        ("POST /getitem", fields(FileName="a.png", Bucket=5)),
        ("DELETE /delete", fields(FileName="a.png", Bucket="a\n")),
        ("POST /todo", fields(userId={"$ne": None}, title="t")),
        ("POST /todo", fields(userId="x" * 256, title="t")),
        ("POST /todo", fields(userId="ann", title=5)),
        ("POST /todo", fields(userId="ann", title="a\0b")),
        ("POST /todo", fields(userId="ann", title="t", description=5)),
        ("PUT /todos/{task}?userId=ann", fields(status="")),
        ("PUT /todos/{task}?userId=ann", fields(status="x" * 65)),
        ("PUT /todos/{task}?userId=ann", fields(title=None)),
        ("PUT /todos/{task}?userId=ann", fields(title="\udfff")),
        ("GET /todos?userId=%00", NONE),
    ],
    "reserved_key": [
        ("POST /upload", fields(FileName="file-drop/a.png")),
        ("POST /upload", fields(FileName="file-drop/a.png", Bucket="local")),
    ],
    "invalid_event": [
        ("POST /events/s3", notified({})),
        ("POST /events/s3", notified({"Records": {}})),
        ("POST /events/s3", notified({"Records": [{}]})),
        ("POST /events/s3", notified({"Records": [REMOVED, {**REMOVED, "s3": None}]})),
    ],
    "missing_bucket_and_key": [
        ("GET /metadata", NONE),
        ("GET /metadata?bucket=b", NONE),
        ("GET /metadata?key=k", NONE),
        ("GET /metadata?bucket=&key=", NONE),
    ],
    "file_name_missing": [
        ("POST /upload", fields()),
        ("POST /upload", fields(FileName="")),
        ("POST /getitem", fields(Bucket="b")),
        ("POST /getitem", fields(FileName=None)),
        ("DELETE /delete", NONE),
        ("DELETE /delete", fields()),
        ("DELETE /delete?FileName=", NONE),
    ],
    "missing_task_body": [
        ("POST /todo", NONE),
        ("POST /todo", lambda: as_json(None)),
        ("PUT /todos/{task}?userId=ann", NONE),
    ],
    "missing_task_fields": [
        ("POST /todo", fields()),
        ("POST /todo", fields(userId="ann")),
        ("POST /todo", fields(title="t")),
        ("POST /todo", fields(userId="", title="t")),
    ],
    "missing_user": [("GET /todos", NONE), ("GET /todos?userId=", NONE)],
    "missing_task_or_user": [
        ("PUT /todos/{task}", fields(title="t")),
        ("PUT /todos/{task}?userId=", fields(title="t")),
        ("PUT /todos/?userId=ann", fields(title="t")),
    ],
    "missing_task_in_path": [
        ("DELETE /todos/", NONE),
        ("DELETE /todos/{task}", NONE),
        ("DELETE /todos/ann/", NONE),
    ],
    "no_valid_fields": [
        ("PUT /todos/{task}?userId=ann", fields()),
        ("PUT /todos/{task}?userId=ann", fields(userId="bob", taskId="x")),
    ],
    "unauthorized": [
        ("POST /events/s3", lambda: as_json({"Records": []})),
        ("POST /events/s3", notified({"Records": []}, Authorization="Bearer other")),
        ("POST /events/s3", notified({"Records": []}, Authorization=f"Basic {TOKEN}")),
        ("POST /events/s3", notified({"Records": []}, Authorization="Bearer")),
        ("POST /events/s3", notified({"Records": []}, Authorization=TOKEN)),
    ],
    "unknown_member": [
        ("PUT /files/{id}", lambda: as_json({"name": "a"})),
        ("PUT /files/{id}", lambda: as_json({"file_name": "a", "\ud800": 1})),
    ],
    "nothing_to_change": [
        ("PUT /files/{id}", lambda: as_json({})),
        ("PUT /files/{id}", form),
    ],
    "invalid_form": [
        ("POST /files/upload", lambda: raw(b"x", "multipart/form-data")),
        ("POST /files/upload", lambda: raw(b"x", 'multipart/form-data; boundary=""')),
        ("POST /files/upload", lambda: raw(b"x", f"multipart/form-data; boundary={'b' * 71}")),
        ("POST /files/upload", lambda: raw(b"x", FORM_TYPE)),
        ("POST /files/upload", lambda: raw(b"", FORM_TYPE)),
        ("POST /files/upload", lambda: raw(FILE, FORM_TYPE)),
        ("POST /files/upload", lambda: chunked(FILE, FORM_TYPE)),
        ("PUT /files/{id}", lambda: raw(FILE, FORM_TYPE)),
    ],
    "unknown_part": [("POST /files/upload", lambda: form(FILE, part("other", b"x")))],
    "repeated_part": [("PUT /files/{id}", lambda: form(FILE, FILE))],
    "missing_file": [
        ("POST /files/upload", form),
        ("POST /files/upload", lambda: form(part("file_name", b"a"))),
        ("POST /upload", form),
    ],
    "missing_body": [
        ("POST /files/upload", without_body(Content_Type=TEXT)),
        ("POST /files/upload", lambda: {"environ_overrides": {"CONTENT_TYPE": FORM_TYPE}}),
        ("PUT /files/{id}", NONE),
    ],
    "incomplete_body": [
        ("POST /files/upload", cut_off),
        ("PUT /files/{id}", cut_off),
        ("POST /files/upload", breaking(ConnectionResetError("reset"))),
        ("POST /files/upload", breaking(ConnectionResetError("reset"), FORM_TYPE)),
        ("PUT /files/{id}", breaking(ConnectionResetError("reset"), JSON)),
    ],
    "invalid_digest": [
        ("POST /files/upload", with_headers(Content_MD5="x")),
        ("PUT /files/{id}", with_headers(Repr_Digest="sha-256=x")),
        ("POST /files/upload", lambda: form(part("file", b"x", "Content-MD5: x", filename="a"))),
    ],
    "digest_mismatch": [
        ("POST /files/upload", with_headers(Content_MD5=MD5_OF_NOTHING)),
        ("PUT /files/{id}", with_headers(Content_MD5=MD5_OF_NOTHING)),
        (
            "PUT /files/{id}",
            lambda: raw(b'{"file_name": "b"}', JSON, {"Content-MD5": MD5_OF_NOTHING}),
        ),
    ],
    "invalid_content_disposition": [
        ("POST /files/upload", with_headers(Content_Disposition="attachment; filename")),
        ("POST /files/upload", with_headers(Content_Disposition="attachment; filename*=latin'x")),
        ("POST /files/upload", with_headers(Content_Disposition="a; filename*=UTF-8''%ff")),
        ("POST /files/upload", with_headers(Content_Disposition="a; filename=a; filename=b")),
        ("PUT /files/{id}", with_headers(Content_Disposition="")),
    ],
    "content_range_not_supported": [
        ("POST /files/upload", with_headers(Content_Range="bytes 0-6/7")),
        ("PUT /files/{id}", with_headers(Content_Range="bytes 0-6/7")),
    ],
    "not_found": [
        ("GET /", NONE),
        ("GET /file", NONE),
        ("GET /files/", NONE),
        ("POST /files/a/b/c", NONE),
        ("GET /static/a", NONE),
        ("GET /files/{id}/metadata/x", NONE),
        ("GET /upload/x", NONE),
        ("GET /todo/x", NONE),
    ],
    "metadata_not_found": [
        ("GET /metadata?bucket=local&key=absent", NONE),
        ("GET /metadata?bucket=absent&key=k", NONE),
        ("GET /metadata?bucket=%00&key=%00", NONE),
    ],
    "item_not_found": [
        ("POST /getitem", fields(FileName="absent.png")),
        ("POST /getitem", fields(FileName="recorded.png", Bucket="absent")),
        ("DELETE /delete", fields(FileName="absent.png")),
        ("DELETE /delete?FileName=absent.png", NONE),
    ],
    "task_not_found": [
        (f"PUT {UNKNOWN_TASK}?userId=ann", fields(title="t")),
        ("PUT /todos/{task}?userId=bob", fields(title="t")),
        ("DELETE /todos/bob/{task}", NONE),
        ("DELETE /todos/ann/%00", NONE),
    ],
    "object_not_seen": [("GET /files/{image}", NONE)],
    "file_not_found": [
        ("GET /files/absent", NONE),
        ("GET /files/absent/metadata", NONE),
        ("PUT /files/absent", RAW),
        ("DELETE /files/absent", NONE),
        ("GET /files/%00", NONE),
        ("GET /files/%F0%9F%98%80", NONE),
        ("GET /files/%ff", NONE),
        ("DELETE /files/" + "x" * 4000, NONE),
        ("GET /files/upload", NONE),
    ],
    "method_not_allowed": [
        ("PATCH /files/{id}", NONE),
        ("POST /files", RAW),
        ("DELETE /files", NONE),
        ("POST /files/{id}/metadata", RAW),
        ("POST /healthz", NONE),
        ("PUT /readyz", NONE),
        ("GET /upload", NONE),
        ("PUT /todo", NONE),
        ("GET /events/s3", NONE),
    ],
    "body_timeout": [
        ("POST /files/upload", breaking(TimeoutError("slow"))),
        ("POST /files/upload", breaking(TimeoutError("slow"), FORM_TYPE)),
        ("PUT /files/{id}", breaking(TimeoutError("slow"))),
        ("PUT /files/{id}", breaking(TimeoutError("slow"), JSON)),
    ],
    "precondition_failed": [
        ("GET /files/{id}", without_body(If_Match='"9"')),
        ("DELETE /files/{id}", without_body(If_Match='"9"')),
        ("PUT /files/{id}", with_headers(If_Match='"9"')),
    ],
    "content_too_large": [
        ("PUT /files/{id}", lambda: as_json({"file_name": "x" * 2**20})),
        ("PUT /files/{id}", lambda: chunked(b" " * (2**20 + 1), JSON)),
        ("POST /upload", fields(FileName="x" * 2**20)),
        ("POST /todo", fields(userId="ann", title="x" * 2**20)),
        ("POST /events/s3", lambda: raw(b" " * (2**20 + 1), JSON, KNOWN)),
    ],
    "image_too_large": [
        ("POST /upload", lambda: form(part("file", png(20_000, 20_000), filename="a.png"))),
        ("POST /upload", lambda: form(part("file", png(10_001, 10_000), filename="a.png"))),
    ],
    "not_an_image": [
        ("POST /upload", lambda: form(FILE)),
        ("POST /upload", lambda: form(part("file", b"", filename="a.png"))),
        ("POST /upload", lambda: form(part("file", png(1, 1)[:20], filename="a.png"))),
    ],
    "content_encoding_not_supported": [
        ("POST /files/upload", with_headers(Content_Encoding="gzip")),
        ("PUT /files/{id}", with_headers(Content_Encoding="identity")),
    ],
    "range_not_satisfiable": [("GET /files/{id}", without_body(Range="bytes=99-"))],
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that the tests here share, with every route that there can be."""
    made = serve(tmp_path_factory.mktemp("service"), {"EVENTS_TOKEN": TOKEN})
    yield made
    made.close()


Names = dict[str, str]


def made_in(service: Service) -> Names:
    """What the requests are about: a file, an image that was recorded, and a task."""
    document = service.upload()
    assert (
        service.client.post("/upload", **as_json({"FileName": "recorded.png"})).status_code == 200
    )
    item = service.client.post("/getitem", **as_json({"FileName": "recorded.png"})).get_json()
    task = service.client.post("/todo", **as_json({"userId": "ann", "title": "t"})).get_json()
    return {
        "{id}": document["file_id"],
        "{key}": document["object_key"],
        "{image}": item["data"]["FileId"],
        "{task}": task["taskId"],
    }


@pytest.fixture(scope="module")
def names(service: Service) -> Names:
    return made_in(service)


@pytest.mark.parametrize(
    ("code", "request_line", "asking"),
    [(code, *request) for code, requests in REQUESTS.items() for request in requests],
)
def test_a_refusal(
    service: Service, names: Names, code: str, request_line: str, asking: Asking
) -> None:
    """It has the one shape, and nothing comes of what was refused."""
    before = service.left()
    answer = ask(service, request_line, names, asking)
    assert_error(answer, CATALOGUE[code].status, code, member_for(request_line))
    assert ("WWW-Authenticate" in answer.headers) == (code == "unauthorized")
    assert service.left() == before


def ask(service: Service, request_line: str, names: Names, asking: Asking) -> TestResponse:
    """The whole answer."""
    for name, value in names.items():
        request_line = request_line.replace(name, value)
    method, path = request_line.split(" ")
    answer = service.client.open(path, method=method, **asking())
    answer.get_data()
    answer.close()
    return answer


def member_for(request_line: str) -> str:
    """Where the sentence stands: seed 3's clients look for another member than the others'."""
    path = re.split(r"[ ?]", request_line)[1]
    return "message" if re.fullmatch(r"/todo|/todos(/.*)?", path) else "error"


ROUTES: dict[str, tuple[str, Asking]] = {
    "files.upload": ("POST /files/upload", RAW),
    "files.download": ("GET /files/{id}", NONE),
    "files.metadata": ("GET /files/{id}/metadata", NONE),
    "files.update": ("PUT /files/{id}", RAW),
    "files.delete": ("DELETE /files/{id}", NONE),
    "files.list_all": ("GET /files", NONE),
    "events.notify": ("POST /events/s3", notified({"Records": [REMOVED]})),
    "metadata.read": ("GET /metadata?bucket=local&key={key}", NONE),
    "metadata.list_all": ("GET /Students", NONE),
    "images.upload": ("POST /upload", fields(FileName="another.png")),
    "images.get_all": ("GET /getall", NONE),
    "images.get_item": ("POST /getitem", fields(FileName="recorded.png")),
    "images.delete": ("DELETE /delete", fields(FileName="recorded.png")),
    "tasks.create": ("POST /todo", fields(userId="ann", title="t")),
    "tasks.list_all": ("GET /todos?userId=ann", NONE),
    "tasks.update": ("PUT /todos/{task}?userId=ann", fields(status="done")),
    "tasks.delete": ("DELETE /todos/ann/{task}", NONE),
    "health.healthz": ("GET /healthz", NONE),
    "health.readyz": ("GET /readyz", NONE),
}


def test_the_routes_are_these(service: Service) -> None:
    assert {rule.endpoint for rule in service.app.url_map.iter_rules()} == set(ROUTES)


@pytest.mark.parametrize("endpoint", ROUTES)
def test_a_bug_is_told_to_the_log_alone(
    service: Service,
    names: Names,
    endpoint: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    @public
    def bug(**_: object) -> None:
        raise RuntimeError("the secret of the exception")

    monkeypatch.setitem(service.app.view_functions, endpoint, bug)
    request_line, asking = ROUTES[endpoint]
    answer = ask(service, request_line, names, asking)
    assert_error(answer, 500, "internal_error", member_for(request_line))
    assert "secret" not in answer.text
    logged = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [record.__dict__["request_id"] for record in logged] == [answer.headers["X-Request-Id"]]
    assert "the secret of the exception" in caplog.text


@pytest.mark.parametrize("endpoint", ROUTES)
def test_another_method_is_not_allowed(service: Service, names: Names, endpoint: str) -> None:
    allowed, path = ROUTES[endpoint][0].split(" ")
    answer = ask(service, f"TRACE {path}", names, NONE)
    assert_error(answer, 405, "method_not_allowed", member_for(f"TRACE {path}"))
    assert allowed in answer.headers["Allow"].split(", ")


@pytest.mark.parametrize("endpoint", ROUTES)
def test_a_store_that_is_away(new_service: Serve, endpoint: str) -> None:
    service = new_service(EVENTS_TOKEN=TOKEN)
    names = made_in(service)
    service.data.rename(service.data.with_name("elsewhere"))
    request_line, asking = ROUTES[endpoint]
    answer = ask(service, request_line, names, asking)
    if endpoint == "health.healthz":
        assert answer.json == {"status": "ok"}
    elif endpoint == "health.readyz":
        assert answer.status_code == 503 and int(answer.headers["Retry-After"]) > 0
        assert answer.json is not None and answer.json["code"] == "store_unavailable"
        assert (answer.json["objects"], answer.json["documents"]) == ("unavailable",) * 2
    else:
        assert_error(answer, 503, "store_unavailable", member_for(request_line))
    service.data.with_name("elsewhere").rename(service.data)
    assert ask(service, request_line, names, asking).status_code in (200, 201)


def test_ready_says_which_store_is_not(new_service: Serve) -> None:
    service = new_service()
    assert service.client.get("/readyz").json == {
        "status": "ok",
        "objects": "ok",
        "documents": "ok",
    }
    (service.data / "objects").rename(service.data / "elsewhere")
    answer = service.client.get("/readyz")
    assert answer.json is not None
    assert (answer.status_code, answer.json["objects"]) == (503, "unavailable")
    assert answer.json["documents"] == "ok"
    (service.data / "elsewhere").rename(service.data / "objects")


def test_a_full_disk(new_service: Serve) -> None:
    service = new_service()
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, usual[1]))
    try:
        answer = service.client.post("/files/upload", **raw(bytes(2**21)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert_error(answer, 507, "insufficient_storage")
    assert service.left() == []


def test_files_that_are_the_bucket_s(service: Service) -> None:
    made = service.files.get(file_id=service.upload()["file_id"])
    assert made is not None
    service.files.replace({**made, "source": "s3", "bucket": "theirs"})
    path = f"/files/{made['file_id']}"
    assert_error(service.client.put(path, **RAW()), 409, "file_belongs_to_bucket")
    assert_error(service.client.get(path), 409, "not_in_our_bucket")
    assert service.client.head(path).status_code == 409
    assert service.client.get(f"{path}/metadata").status_code == 200


# What the HTTP parser says before there is an application, what no route says yet, and, in
# tests/access, what is said of keys, scopes, hosts and origins.
ELSEWHERE = {
    *("forbidden", "foreign_origin", "wrong_host", "not_your_tasks"),
    *("key_exists", "key_not_found"),
    *("bad_request", "uri_too_long", "expectation_failed", "headers_too_large"),
    *("not_implemented", "unsupported_media_type"),
}
HERE = {
    *("internal_error", "store_unavailable", "insufficient_storage"),
    *("file_belongs_to_bucket", "not_in_our_bucket"),
}


def test_every_code_is_shown_by_a_test() -> None:
    assert set(CATALOGUE) - set(REQUESTS) - HERE == ELSEWHERE
