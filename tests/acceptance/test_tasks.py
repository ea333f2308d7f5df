"""Tasks: POST /todo, GET /todos, PUT and DELETE /todos/... (SPEC 6, 7; seed 3)."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit
from uuid import uuid4

import pytest

from .checks import TIMESTAMP, assert_status, next_page
from .client import KIB, MIB, Answer, Client, Document, chunked, pieces
from .doors import NOT_JSON, NOT_OBJECTS, UNSTORABLE, TaskList, assert_task_error, pages_of
from .drop import dropping
from .test_parallel import CLIENTS, at_once, statuses

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
FIELDS = ["userId", "taskId", "title", "description", "status", "createdAt", "updatedAt"]
NOWHERE = "8cf141bd-75c9-47f9-89eb-671f4292b881"
BODY_MISSING = "Request body is missing"
FIELDS_MISSING = "Missing required fields"
USER_MISSING = "Missing userId in query parameters"
NOTHING_VALID = "No valid fields to update"
TASK_OR_USER_MISSING = "Missing taskID or userId"
PATH_MISSING = "Missing 'userID' or 'taskID' in path parameters"


@pytest.fixture
def tasks(client: Client) -> Iterator[TaskList]:
    tasks = TaskList(client)
    yield tasks
    tasks.close()


def assert_task(task: Document) -> None:
    """SPEC 6: exactly these fields, in the order of the seed's examples."""
    assert list(task) == FIELDS
    assert all(isinstance(value, str) for value in task.values())
    assert re.fullmatch(UUID, task["taskId"])
    assert re.fullmatch(TIMESTAMP, task["createdAt"])
    assert re.fullmatch(TIMESTAMP, task["updatedAt"])
    assert task["updatedAt"] >= task["createdAt"]


def assert_says(answer: Answer, status: int, message: str) -> None:
    """The error, word for word."""
    assert assert_task_error(answer, status)["message"] == message


# --- POST /todo ----------------------------------------------------------------------------------


@pytest.mark.parametrize("spelling", ["userId", "userID"])
def test_a_new_task_is_answered_whole(tasks: TaskList, spelling: str) -> None:
    body = {spelling: tasks.user, "title": "Buy groceries", "description": "Milk, eggs, bread"}
    answer = assert_status(tasks.post(body), 200)
    task = answer.json()
    assert_task(task)
    assert answer.headers["Content-Type"].split(";")[0] == "application/json"
    assert "no-store" in answer.headers["Cache-Control"]
    assert (task["userId"], task["title"]) == (tasks.user, "Buy groceries")
    assert (task["description"], task["status"]) == ("Milk, eggs, bread", "pending")
    assert task["createdAt"] == task["updatedAt"]
    assert tasks.all() == [task]


@pytest.mark.parametrize("more", [{}, {"description": ""}, {"description": None}], ids=str)
def test_without_a_description_it_is_empty(tasks: TaskList, more: dict[str, Any]) -> None:
    assert tasks.task(**more)["description"] == ""


def test_what_the_service_decides_is_not_the_clients_to_say(tasks: TaskList) -> None:
    said = {"taskId": NOWHERE, "taskID": NOWHERE, "status": "completed", "createdAt": "2000-01-01"}
    task = tasks.task(**said, updatedAt="2000-01-01", colour="blue")
    assert_task(task)
    assert task["taskId"] != NOWHERE
    assert task["status"] == "pending"
    assert task["createdAt"] > "2020"


def test_two_tasks_alike_are_two(tasks: TaskList) -> None:
    one, other = tasks.task(), tasks.task()
    assert one["taskId"] != other["taskId"]
    assert Counter(task["taskId"] for task in tasks.all()) == Counter(
        [one["taskId"], other["taskId"]]
    )


TEXTS = {
    "unicode": "Müsli, 牛乳, \U0001f95b",
    "decomposed": "Mu\u0308sli",
    "right to left": "חלב \u202eabc",
    "line ends": "a\r\nb\tc",
    "control characters": "\x01\x1b\x7f\x85",
    "markup": "<b>&amp;</b> \"'\\",
    "operators": '{"$ne": null} $set a.b',
    "format": "%s {0} {name} ${x} %00",
    "spaces": "  a  ",
    "not a character": "\ufffe\uffff",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=list(TEXTS))
def test_texts_come_back_as_they_went(tasks: TaskList, text: str) -> None:
    task = tasks.task(text, description=text)
    assert (task["title"], task["description"]) == (text, text)
    changed = assert_status(tasks.put(task["taskId"], {"status": text}), 200).json()
    assert tasks.all() == [changed]
    assert changed["status"] == text


def test_a_title_of_900_kib_is_taken(tasks: TaskList) -> None:
    title = "x" * 900 * KIB
    assert tasks.task(title)["title"] == title
    assert [task["title"] for task in tasks.all()] == [title]


NO_FIELDS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "no title": {"userId": "USER"},
    "no user": {"title": "a"},
    "empty title": {"userId": "USER", "title": ""},
    "empty user": {"userId": "", "title": "a"},
    "empty userID": {"userID": "", "title": "a"},
    "null title": {"userId": "USER", "title": None},
    "null user": {"userId": None, "title": "a"},
    "other spellings": {"userid": "USER", "Title": "a"},
}


@pytest.mark.parametrize("label", NO_FIELDS)
def test_what_a_task_needs_is_missing(tasks: TaskList, label: str) -> None:
    body = {
        name: tasks.user if value == "USER" else value for name, value in NO_FIELDS[label].items()
    }
    answer = tasks.post(body)
    assert_says(answer, 400, FIELDS_MISSING)
    tasks.refused(answer, 400)


@pytest.mark.parametrize("body", [b"", b"null"])
def test_a_missing_body_is_said_to_be_missing(client: Client, body: bytes) -> None:
    assert_says(client.send_json("POST", "/todo", body), 400, BODY_MISSING)


def test_a_request_without_length_has_no_body(client: Client) -> None:
    with client.wire() as wire:
        wire.request("POST", "/todo")
        assert_says(wire.answer(), 400, BODY_MISSING)


def test_an_empty_chunked_body_is_a_400(client: Client) -> None:
    with client.wire() as wire:
        wire.request("POST", "/todo", {"Transfer-Encoding": "chunked"})
        wire.send(chunked(b""))
        assert_task_error(wire.answer(), 400)


WRONG = {"number": 5, "float": 1.5, "true": True, "array": ["a"], "object": {"$ne": None}}
FALSY = {"zero": 0, "false": False, "empty array": [], "empty object": {}}


@pytest.mark.parametrize("value", [*WRONG.values(), *FALSY.values()], ids=[*WRONG, *FALSY])
@pytest.mark.parametrize("name", ["userId", "userID", "title", "description"])
def test_a_value_of_another_type_is_refused(tasks: TaskList, name: str, value: Any) -> None:
    body = {"title": "a", name: value}
    if not name.startswith("user"):
        body["userId"] = tasks.user
    tasks.refused(tasks.post(body), 400)


@pytest.mark.parametrize("value", UNSTORABLE.values(), ids=list(UNSTORABLE))
@pytest.mark.parametrize("name", ["userId", "userID", "title", "description"])
def test_a_text_that_cannot_be_stored_is_refused(tasks: TaskList, name: str, value: str) -> None:
    body = {"title": "a", name: value}
    if not name.startswith("user"):
        body["userId"] = tasks.user
    tasks.refused(tasks.post(body), 400)


BAD_BODIES = NOT_JSON | NOT_OBJECTS
bad_bodies = pytest.mark.parametrize("body", BAD_BODIES.values(), ids=list(BAD_BODIES))


@bad_bodies
def test_a_body_that_is_no_json_object_makes_no_task(tasks: TaskList, body: bytes) -> None:
    tasks.refused(tasks.post(body), 400)


@pytest.mark.parametrize("label", [label for label in NOT_JSON if NOT_JSON[label][:5] == b'{"a":'])
def test_no_json_is_refused_though_it_names_user_and_title(tasks: TaskList, label: str) -> None:
    """What is wrong stands in a member that nobody reads."""
    task = json.dumps({"userId": tasks.user, "title": "a"}).encode()
    tasks.refused(tasks.post(task[:-1] + b"," + NOT_JSON[label][1:]), 400)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_json_in_another_encoding_is_refused(tasks: TaskList, encoding: str) -> None:
    """RFC 8259 8.1: JSON is UTF-8."""
    task = json.dumps({"userId": tasks.user, "title": "a"})
    tasks.refused(tasks.post(task.encode(encoding)), 400)


# --- bodies of the wrong length, and errors of the framework -------------------------------------


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_body_over_1_mib_is_413(tasks: TaskList, method: str, framing: str) -> None:
    body = json.dumps({"userId": tasks.user, "title": "a", "description": "b" * MIB}).encode()
    path = "/todo" if method == "POST" else tasks.path(NOWHERE)
    data = body if framing == "length" else pieces(body)
    tasks.refused(tasks.client.send(method, path, {"Content-Type": "application/json"}, data), 413)


def test_too_long_a_body_is_413_at_once(tasks: TaskList) -> None:
    with tasks.client.wire() as wire:
        wire.request("POST", "/todo", {"Content-Length": str(MIB + 1)})
        answer = wire.answer()
    tasks.refused(answer, 413)
    assert answer.headers["Connection"].lower() == "close"


def test_a_body_of_1_mib_is_taken(tasks: TaskList) -> None:
    body = json.dumps({"userId": tasks.user, "title": "a"}).encode()
    assert_status(tasks.post(body + b" " * (MIB - len(body))), 200)


def test_a_body_that_ends_early_is_400(tasks: TaskList) -> None:
    body = json.dumps({"userId": tasks.user, "title": "a"}).encode()
    with tasks.client.wire() as wire:
        wire.request("POST", "/todo", {"Content-Length": str(len(body) + 1)})
        wire.send(body)
        wire.finish()
        tasks.refused(wire.answer(), 400)


def test_an_encoded_body_is_415(tasks: TaskList) -> None:
    body = json.dumps({"userId": tasks.user, "title": "a"}).encode()
    tasks.refused(tasks.post(body, {"Content-Encoding": "gzip"}), 415)


WRONG_METHODS = [
    ("GET", "/todo", {"POST"}),
    ("PUT", "/todo", {"POST"}),
    ("DELETE", "/todo", {"POST"}),
    ("POST", "/todos", {"GET"}),
    ("PATCH", "/todos", {"GET"}),
    ("GET", f"/todos/{NOWHERE}", {"PUT"}),
    ("POST", f"/todos/{NOWHERE}", {"PUT"}),
    ("PATCH", f"/todos/{NOWHERE}", {"PUT"}),
    ("GET", f"/todos/maria123/{NOWHERE}", {"DELETE"}),
    ("PUT", f"/todos/maria123/{NOWHERE}", {"DELETE"}),
    ("BREW", f"/todos/maria123/{NOWHERE}", {"DELETE"}),
]


@pytest.mark.parametrize(("method", "path", "allowed"), WRONG_METHODS)
def test_a_wrong_method_is_405_with_allow(
    client: Client, method: str, path: str, allowed: set[str]
) -> None:
    answer = client.send(method, path)
    assert_task_error(answer, 405)
    methods = {name.strip() for name in answer.headers["Allow"].split(",")}
    assert methods >= allowed and method not in methods


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_change_of_all_tasks_is_refused(client: Client, method: str) -> None:
    """The task is missing in the path, or the method is none of this address."""
    assert_task_error(client.send(method, "/todos?userId=a"), 400, 405)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_an_address_below_a_task_is_404(client: Client, method: str) -> None:
    answer = client.send(method, f"/todos/a/b/c/{NOWHERE}")
    assert_task_error(answer, 404, 405)


def test_an_error_names_the_request_id(client: Client) -> None:
    for answer in (
        client.get("/todos", {"X-Request-Id": "my-request.1"}),
        client.send("PATCH", "/todos", {"X-Request-Id": "my-request.1"}),
        client.put_json(
            f"/todos/{NOWHERE}?userId=a", {"title": "b"}, {"X-Request-Id": "my-request.1"}
        ),
    ):
        assert answer.json()["request_id"] == "my-request.1"


def test_a_long_request_line_is_414(client: Client) -> None:
    with client.wire() as wire:
        wire.request("GET", "/todos?userId=" + "a" * 128 * KIB)
        assert wire.answer().status == 414


# --- queries -------------------------------------------------------------------------------------

NO_USER = ["", "?", "?userId=", "?userID=", "?userId", "?limit=1", "?userId=&userID="]


@pytest.mark.parametrize("query", NO_USER)
def test_a_listing_is_of_a_user(client: Client, query: str) -> None:
    assert_says(client.get(f"/todos{query}"), 400, USER_MISSING)


BAD_QUERIES = {
    "unknown": "userId=a&colour=blue",
    "other spelling": "userid=a",
    "another case": "UserId=a",
    "operator": "userId[$ne]=a",
    "repeated": "userId=a&userId=a",
    "repeated userID": "userID=a&userID=b",
    "repeated limit": "userId=a&limit=1&limit=1",
    "repeated cursor": "userId=a&cursor=a&cursor=a",
    "not UTF-8": "userId=%FF",
    "cut percent": "userId=%4",
    "surrogate": "userId=%ED%A0%80",
    "limit 0": "userId=a&limit=0",
    "limit 1001": "userId=a&limit=1001",
    "limit -1": "userId=a&limit=-1",
    "no limit": "userId=a&limit=",
    "limit in words": "userId=a&limit=ten",
    "limit in other digits": "userId=a&limit=%D9%A3",
    "offset": "userId=a&offset=1",
    "status": "userId=a&status=pending",
    "NUL": "userId=%00",
    "long user": "userId=" + "a" * 5000,
}


@pytest.mark.parametrize("query", BAD_QUERIES.values(), ids=list(BAD_QUERIES))
def test_a_bad_query_of_a_listing_is_400(client: Client, query: str) -> None:
    with client.wire() as wire:
        wire.request("GET", f"/todos?{query}")
        assert_task_error(wire.answer(), 400)


OTHER_QUERIES = ["colour=blue", "userId=a&userId=a", "userId=%FF", "limit=1", "userId[$ne]=a", "=a"]


@pytest.mark.parametrize("query", OTHER_QUERIES)
def test_a_bad_query_of_a_change_is_400(client: Client, query: str) -> None:
    answer = client.put_json(f"/todos/{NOWHERE}?{query}", {"title": "a"})
    assert_task_error(answer, 400)


@pytest.mark.parametrize("query", [*OTHER_QUERIES, "userId=a"])
def test_other_requests_take_no_query(tasks: TaskList, query: str) -> None:
    task = tasks.task()
    body = {"userId": tasks.user, "title": "b"}
    assert_task_error(tasks.client.send_json("POST", f"/todo?{query}", body), 400)
    path = f"/todos/{tasks.user}/{task['taskId']}?{query}"
    assert_task_error(tasks.client.delete(path), 400)
    assert tasks.all() == [task]


# --- GET /todos ----------------------------------------------------------------------------------


def test_a_user_without_tasks_has_an_empty_array(tasks: TaskList) -> None:
    answer = assert_status(tasks.client.get(f"/todos?userId={tasks.user}"), 200)
    assert answer.json() == []
    assert "Link" not in answer.headers
    assert "no-store" in answer.headers["Cache-Control"]


@pytest.mark.parametrize("spelling", ["userId", "userID"])
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8, 1000])
def test_all_pages_together_are_the_listing(tasks: TaskList, spelling: str, limit: int) -> None:
    made = [tasks.task(f"task {number}") for number in range(7)]
    path = f"/todos?{spelling}={tasks.user}&limit={limit}"
    found = list(pages_of(tasks.client, path))
    assert all(1 <= len(page) <= limit for page in found)
    listing = [task for page in found for task in page]
    assert listing == tasks.all()
    assert sorted(listing, key=by_id) == sorted(made, key=by_id)
    assert [task["createdAt"] for task in listing] == sorted(task["createdAt"] for task in made)


def by_id(task: Document) -> str:
    return str(task["taskId"])


def test_a_listing_longer_than_a_page_goes_on(tasks: TaskList, base_url: str) -> None:
    """`limit` is 1000 where nothing is said."""

    def make(client: Client, number: int) -> Answer:
        body = {"userId": tasks.user, "title": str(number)}
        for _ in range(126):
            answer = client.send_json("POST", "/todo", body)
        return answer

    try:
        assert statuses(at_once(base_url, make)) == {200: CLIENTS}
        sizes = [len(page) for page in pages_of(tasks.client, f"/todos?userId={tasks.user}")]
        assert sizes == [1000, CLIENTS * 126 - 1000]
        listing = tasks.all(limit=300)
        assert len({task["taskId"] for task in listing}) == CLIENTS * 126
        assert [task["createdAt"] for task in listing] == sorted(t["createdAt"] for t in listing)
    finally:
        for task in tasks.all():
            tasks.delete(task["taskId"])


def test_tasks_that_stay_appear_once_while_others_come_and_go(tasks: TaskList) -> None:
    made = [tasks.task(str(number)) for number in range(12)]
    leaving, staying = made[::2], made[1::2]
    seen: Counter[str] = Counter()
    for page in pages_of(tasks.client, f"/todos?userId={tasks.user}&limit=2"):
        seen.update(by_id(task) for task in page)
        gone = next((task for task in page if task in leaving), leaving[-1])
        leaving = [task for task in leaving if task != gone]
        assert_status(tasks.delete(gone["taskId"]), 200, 404)
        if len(seen) < 20:
            tasks.task("newcomer")
        tasks.put(staying[0]["taskId"], {"status": "changed"})
        if not leaving:
            leaving = [gone]
    assert {by_id(task): seen[by_id(task)] for task in staying} == dict.fromkeys(
        map(by_id, staying), 1
    )
    assert max(seen.values()) == 1


def test_a_page_of_a_user_has_no_other_users_tasks(tasks: TaskList) -> None:
    others = [
        f"{tasks.user}x",
        tasks.user[:-1],
        tasks.user.upper(),
        f"{tasks.user} ",
        "x" + tasks.user,
    ]
    mine = tasks.task("mine")
    for user in others:
        tasks.task("another's", user=user)
    assert tasks.all() == [mine]
    assert [len(tasks.all(user)) for user in others] == [1] * len(others)


def test_of_both_spellings_the_first_that_is_not_empty_counts(tasks: TaskList) -> None:
    """As the seed's `userId || userID`."""
    task, client = tasks.task(), tasks.client
    for query in (f"userId={tasks.user}&userID=other", f"userId=&userID={tasks.user}"):
        assert assert_status(client.get(f"/todos?{query}"), 200).json() == [task]


# --- cursors -------------------------------------------------------------------------------------


def link_of(tasks: TaskList, query: str = "") -> str:
    """Where the second page is."""
    while len(tasks.all()) < 3:
        tasks.task()
    path = f"/todos?userId={quote(tasks.user)}&limit=1{query}"
    following = next_page(tasks.client.get(path), tasks.client.base_url + path)
    assert following
    return following


def cursor_of(url: str) -> str:
    (cursor,) = parse_qs(urlsplit(url).query)["cursor"]
    return cursor


MALFORMED = ["", "x", "!!!", "null", "0", "AAAA", "A" * 5000, "W10", "e30", "eyIkbmUiOm51bGx9",
             '{"$ne": null}', "bnVsbA", "ü", "\0", "../../etc/passwd"]  # fmt: skip


@pytest.mark.parametrize("cursor", MALFORMED, ids=lambda cursor: ascii(cursor)[:30])
def test_a_malformed_cursor_is_refused(client: Client, cursor: str) -> None:
    assert_task_error(client.get(f"/todos?userId=a&cursor={quote(cursor)}"), 400)


def test_half_a_cursor_is_refused(tasks: TaskList) -> None:
    cursor = cursor_of(link_of(tasks))
    for part in (cursor[: len(cursor) // 2], cursor[len(cursor) // 2 :]):
        assert_task_error(tasks.client.get(f"/todos?userId={tasks.user}&cursor={quote(part)}"), 400)


def test_a_cursor_does_not_work_for_another_user(tasks: TaskList) -> None:
    """As for `GET /files`: it is bound to the filters of its listing."""
    cursor = quote(cursor_of(link_of(tasks)))
    assert_task_error(tasks.client.get(f"/todos?userId={tasks.user}-2&cursor={cursor}"), 400)


@pytest.mark.parametrize("path", ["/files", "/getall", "/Students"])
def test_a_cursor_does_not_work_for_another_listing(tasks: TaskList, path: str) -> None:
    cursor = quote(cursor_of(link_of(tasks)))
    assert assert_status(tasks.client.get(f"{path}?cursor={cursor}"), 400).json()["error"]


def test_a_cursor_of_the_files_does_not_work_for_tasks(tasks: TaskList) -> None:
    with dropping(tasks.client) as drop:
        drop.file()
        drop.file()
        path = f"/files?metadata.run={drop.tag}&limit=1"
        following = next_page(tasks.client.get(path), tasks.client.base_url + path)
    assert following
    query = urlencode({"userId": tasks.user, "cursor": cursor_of(following)})
    assert_task_error(tasks.client.get(f"/todos?{query}"), 400)


def test_a_page_can_be_read_again(tasks: TaskList) -> None:
    following = link_of(tasks)
    assert tasks.client.get(following).json() == tasks.client.get(following).json()


def test_the_link_is_relative_and_keeps_user_and_limit(tasks: TaskList) -> None:
    tasks.user += " ü&b=c#d%e+f/g;"
    query = parse_qs(urlsplit(link_of(tasks)).query)
    assert (query["userId"], query["limit"]) == ([tasks.user], ["1"])
    assert len(tasks.all(limit=1)) == 3


def test_the_listing_goes_on_after_the_last_task_of_a_page_has_gone(tasks: TaskList) -> None:
    following = link_of(tasks)
    first, *rest = tasks.all()
    assert_status(tasks.delete(first["taskId"]), 200)
    assert tasks.client.get(following).json() == rest[:1]


# --- PUT /todos/{taskId} -------------------------------------------------------------------------


@pytest.mark.parametrize("spelling", ["userId", "userID"])
@pytest.mark.parametrize("name", ["title", "description", "status"])
def test_one_field_is_changed(tasks: TaskList, name: str, spelling: str) -> None:
    task = tasks.task(description="Milk")
    path = f"/todos/{task['taskId']}?{spelling}={tasks.user}"
    answer = assert_status(tasks.client.put_json(path, {name: "completed"}), 200)
    changed = answer.json()
    assert_task(changed)
    assert changed == {**task, name: "completed", "updatedAt": changed["updatedAt"]}
    assert changed["updatedAt"] >= task["updatedAt"]
    assert "no-store" in answer.headers["Cache-Control"]
    assert tasks.all() == [changed]


def test_all_fields_are_changed_at_once(tasks: TaskList) -> None:
    change = {"title": "Sell", "description": "", "status": "done"}
    changed = assert_status(tasks.put(tasks.task()["taskId"], change), 200).json()
    assert {name: changed[name] for name in change} == change


def test_the_same_again_is_no_error(tasks: TaskList) -> None:
    task = tasks.task()
    for _ in range(2):
        assert_status(tasks.put(task["taskId"], {"title": task["title"]}), 200)


@pytest.mark.parametrize("status", ["a", "in progress", "a" * 64, "\U0001f600" * 64, " "])
def test_a_status_has_1_to_64_characters(tasks: TaskList, status: str) -> None:
    answer = tasks.put(tasks.task()["taskId"], {"status": status})
    assert assert_status(answer, 200).json()["status"] == status


BAD_CHANGES: dict[str, dict[str, Any]] = {
    "long status": {"status": "a" * 65},
    "long status of emoji": {"status": "\U0001f600" * 65},
    "empty status": {"status": ""},
    "empty title": {"title": ""},
    "null title": {"title": None},
    "null status": {"status": None},
    "one good, one bad": {"title": "a", "status": 5},
    **{f"{name}: {label}": {name: value}
       for name in ("title", "description", "status")
       for label, value in {**WRONG, **FALSY, **UNSTORABLE}.items()},
}  # fmt: skip


@pytest.mark.parametrize("label", BAD_CHANGES)
def test_a_bad_change_is_refused_as_a_whole(tasks: TaskList, label: str) -> None:
    task = tasks.task()
    assert_task_error(tasks.put(task["taskId"], BAD_CHANGES[label]), 400)
    assert tasks.all() == [task]


NO_CHANGES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "unknown": {"colour": "blue"},
    "other spelling": {"Title": "a", "STATUS": "b"},
    "task": {"taskId": NOWHERE, "taskID": NOWHERE},
    "user": {"userId": "other", "userID": "other"},
    "times": {"createdAt": "2000-01-01T00:00:00.000Z", "updatedAt": "2000-01-01T00:00:00.000Z"},
}


@pytest.mark.parametrize("label", NO_CHANGES)
def test_there_is_nothing_to_update(tasks: TaskList, label: str) -> None:
    task = tasks.task()
    assert_says(tasks.put(task["taskId"], NO_CHANGES[label]), 400, NOTHING_VALID)
    assert tasks.all() == [task]


def test_user_task_and_times_are_not_to_be_changed(tasks: TaskList) -> None:
    task = tasks.task()
    change = {**NO_CHANGES["task"], **NO_CHANGES["user"], **NO_CHANGES["times"], "status": "done"}
    changed = assert_status(tasks.put(task["taskId"], change), 200).json()
    assert changed == {**task, "status": "done", "updatedAt": changed["updatedAt"]}
    assert changed["updatedAt"] > "2020"
    assert tasks.all() == [changed]


@pytest.mark.parametrize("query", ["", "?", "?userId=", "?userID="])
def test_an_update_needs_the_user(tasks: TaskList, query: str) -> None:
    task = tasks.task()
    answer = tasks.client.put_json(f"/todos/{task['taskId']}{query}", {"title": "b"})
    assert_says(answer, 400, TASK_OR_USER_MISSING)
    assert tasks.all() == [task]


def test_an_update_needs_the_task(tasks: TaskList) -> None:
    answer = tasks.client.put_json(f"/todos/?userId={tasks.user}", {"title": "b"})
    assert_says(answer, 400, TASK_OR_USER_MISSING)


def test_an_update_needs_a_body(tasks: TaskList) -> None:
    task = tasks.task()
    for body in (b"", b"null"):
        error = assert_task_error(tasks.put(task["taskId"], body), 400)
        assert error["message"] in (BODY_MISSING, NOTHING_VALID)
    assert tasks.all() == [task]


@bad_bodies
def test_a_body_that_is_no_json_object_changes_nothing(tasks: TaskList, body: bytes) -> None:
    task = tasks.task()
    assert_task_error(tasks.put(task["taskId"], body), 400)
    assert tasks.all() == [task]


NOT_TASKS = [
    "x",
    NOWHERE,
    "null",
    "task-001",
    "a b",
    "$ne",
    '{"$ne":null}',
    "%",
    "ü",
    "'",
    "a" * 5000,
]


@pytest.mark.parametrize("task_id", NOT_TASKS, ids=lambda value: value[:20])
def test_an_update_never_creates_a_task(tasks: TaskList, task_id: str) -> None:
    tasks.refused(tasks.put(task_id, {"title": "b", "status": "c"}), 404)


def test_an_update_of_another_users_task_is_404(tasks: TaskList) -> None:
    task = tasks.task()
    assert_task_error(tasks.put(task["taskId"], {"title": "b"}, f"{tasks.user}-2"), 404)
    assert tasks.all() == [task]
    assert tasks.all(f"{tasks.user}-2") == []


def test_an_update_of_a_deleted_task_is_404(tasks: TaskList) -> None:
    task = tasks.task()
    assert_status(tasks.delete(task["taskId"]), 200)
    tasks.refused(tasks.put(task["taskId"], {"title": "b"}), 404)


# --- DELETE /todos/{userId}/{taskId} -------------------------------------------------------------


def deleted(task_id: str, user: str) -> Document:
    return {"message": f"Todo '{task_id}' deleted successfully for user '{user}'"}


def not_found(task_id: str, user: str) -> str:
    return f"Todo with userID '{user}' and taskID '{task_id}' not found"


def test_a_deleted_task_is_gone(tasks: TaskList) -> None:
    task, other = tasks.task(), tasks.task()
    answer = assert_status(tasks.delete(task["taskId"]), 200)
    assert answer.json() == deleted(task["taskId"], tasks.user)
    assert "no-store" in answer.headers["Cache-Control"]
    assert tasks.all() == [other]
    assert_says(tasks.delete(task["taskId"]), 404, not_found(task["taskId"], tasks.user))


@pytest.mark.parametrize("task_id", NOT_TASKS, ids=lambda value: value[:20])
def test_a_task_that_is_none_is_not_found(tasks: TaskList, task_id: str) -> None:
    assert_says(tasks.delete(task_id), 404, not_found(task_id, tasks.user))


def test_another_users_task_is_not_found(tasks: TaskList) -> None:
    task, other = tasks.task(), f"{tasks.user}-2"
    assert_says(tasks.delete(task["taskId"], other), 404, not_found(task["taskId"], other))
    assert tasks.all() == [task]


@pytest.mark.parametrize("path", ["/todos/maria123", "/todos/maria123/", "/todos/"])
def test_a_path_without_user_or_task_is_400(client: Client, path: str) -> None:
    assert_says(client.delete(path), 400, PATH_MISSING)


@pytest.mark.parametrize("path", [f"/todos//{NOWHERE}", "/todos//"])
def test_a_path_with_an_empty_user_is_400(client: Client, path: str) -> None:
    with client.wire() as wire:
        wire.request("DELETE", path, {"Content-Length": "0"})
        assert_says(wire.answer(), 400, PATH_MISSING)


BROKEN_PATHS = ["%FF", "%ED%A0%80", "%00", "a%00b", "%0A"]


@pytest.mark.parametrize("part", BROKEN_PATHS)
def test_a_path_of_strange_bytes_is_a_4xx(client: Client, part: str) -> None:
    for method, path in (
        ("DELETE", f"/todos/{part}/{NOWHERE}"),
        ("DELETE", f"/todos/maria123/{part}"),
        ("PUT", f"/todos/{part}?userId=a"),
    ):
        with client.wire() as wire:
            wire.request(method, path, {"Content-Length": "13", "Content-Type": "application/json"})
            wire.send(b'{"title":"a"}')
            assert_task_error(wire.answer(), 400, 404)


# --- users ---------------------------------------------------------------------------------------

USERS = {
    "space": "maria smith",
    "spaces around": " maria ",
    "unicode": "мария-ü-牛",
    "decomposed": "mari\u0308a",
    "emoji": "\U0001f469\u200d\U0001f4bb",
    "address": "maria@example.com",
    "slash": "org/maria",
    "slashes": "a/b/c",
    "slash at the end": "maria/",
    "slash at the start": "/maria",
    "double slash": "a//b",
    "dots": "..",
    "dots and slashes": "a/../b",
    "percent": "100%",
    "percent code": "a%2Fb%00",
    "plus": "maria+test",
    "ampersand": "a&b=c",
    "question mark": "a?b#c",
    "semicolon": "a;b",
    "quotes": 'o\'brien "x"',
    "backslash": "org\\maria",
    "operator": "$ne",
    "json": '{"$gt": ""}',
    "brackets": "a[b]{c}",
    "number": "123",
    "null": "null",
    "line end": "a\nb",
    "long": "a" * 200,
}


@pytest.mark.parametrize("label", USERS)
def test_any_user_can_have_tasks(tasks: TaskList, label: str) -> None:
    """Made, listed, changed and deleted; the tag keeps it apart from others."""
    user, tag = USERS[label], uuid4().hex
    user = f"{user[0]}{tag}{user[1:]}" if label not in ("dots", "null", "number") else user
    task = tasks.task("mine", user)
    assert task["userId"] == user
    assert task in tasks.all(user)
    changed = assert_status(tasks.put(task["taskId"], {"status": "done"}, user), 200).json()
    assert changed in tasks.all(user)
    with tasks.client.wire() as wire:
        path = f"/todos/{quote(user, safe='').replace('.', '%2E')}/{task['taskId']}"
        wire.request("DELETE", path, {"Content-Length": "0"})
        answer = assert_status(wire.answer(), 200)
    assert answer.json() == deleted(task["taskId"], user)
    assert changed not in tasks.all(user)


def test_users_alike_but_for_their_form_are_different(tasks: TaskList) -> None:
    users = [
        tasks.user + end for end in ("\u00fc", "u\u0308", "\u00dc", "/", "%2F", " ", "+", "%20")
    ]
    made = [tasks.task(user=user) for user in users]
    assert [tasks.all(user) for user in users] == [[task] for task in made]


# --- several at once -----------------------------------------------------------------------------


def test_changes_of_different_fields_at_once_are_all_kept(tasks: TaskList, base_url: str) -> None:
    task = tasks.task()
    names = ("title", "description", "status")

    def change(client: Client, number: int) -> Answer:
        path = tasks.path(task["taskId"])
        for turn in range(10):
            answer = client.put_json(path, {names[number % 3]: f"{number} in turn {turn}"})
            assert_status(answer, 200)
        return answer

    assert statuses(at_once(base_url, change)) == {200: CLIENTS}
    (now,) = tasks.all()
    for index, name in enumerate(names):
        last = {f"{number} in turn 9" for number in range(CLIENTS) if number % 3 == index}
        assert now[name] in last


def test_every_answer_has_its_own_change(tasks: TaskList, base_url: str) -> None:
    task = tasks.task()
    path = tasks.path(task["taskId"])
    answers = at_once(
        base_url, lambda client, number: client.put_json(path, {"title": str(number)})
    )
    assert [answer.json()["title"] for answer in answers] == [str(n) for n in range(CLIENTS)]


def test_of_deletions_at_once_one_wins(tasks: TaskList, base_url: str) -> None:
    path = f"/todos/{tasks.user}/{tasks.task()['taskId']}"
    answers = at_once(base_url, lambda client, _: client.delete(path))
    assert statuses(answers) == {200: 1, 404: CLIENTS - 1}
    assert tasks.all() == []


def test_a_deletion_among_changes_is_final(tasks: TaskList, base_url: str) -> None:
    task_id = tasks.task()["taskId"]

    def act(client: Client, number: int) -> Answer:
        if number == 0:
            return client.delete(f"/todos/{tasks.user}/{task_id}")
        return client.put_json(tasks.path(task_id), {"title": str(number)})

    answers = at_once(base_url, act)
    assert answers[0].status == 200
    assert set(statuses(answers)) <= {200, 404}
    assert tasks.all() == []
