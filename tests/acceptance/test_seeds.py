"""Every request and response that the five seeds print, told apart by seed and place.

Names that are shared in a catalog carry the test's tag; what a seed leaves open, such as ids and
times, is compared by its form. Seed 1 and 2 print no event document, but what reads one; the
events door needs a token and has tests of its own.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from .checks import TIMESTAMP, UUID7, assert_status
from .client import Answer, Client, Document
from .doors import Album, TaskList
from .drop import Drop
from .forms import file, form
from .pictures import picture
from .test_tasks import UUID

GONE_TASK = "8cf141bd-75c9-47f9-89eb-671f4292b881"  # as seed 3 prints it


@dataclass
class World:
    """What stands for the seeds' own things, and what a case has made before its request."""

    drop: Drop
    album: Album
    tasks: TaskList
    names: dict[str, str] = field(default_factory=dict)

    @property
    def client(self) -> Client:
        return self.drop.client


@pytest.fixture
def world(drop: Drop) -> Iterator[World]:
    world = World(drop, Album(drop), TaskList(drop.client))
    world.names = {
        "example.png": world.album.name("example.png"),
        "your-bucket-name": f"bucket-{drop.tag}",
        "maria123": f"maria123-{drop.tag}",
    }
    yield world
    world.tasks.close()
    world.album.close()


Prepare = Callable[[World], None]


@dataclass(frozen=True)
class Case:
    """A printed request, what must be there before it, and the printed response.

    Words in braces stand for what the world has under that name. In `answer` a pattern stands
    for a value of that form.
    """

    request: str
    status: int
    answer: Any
    body: Any = None
    prepare: tuple[Prepare, ...] = ()


def filled(value: Any, names: dict[str, str]) -> Any:
    """The value with the world's names in it."""
    if isinstance(value, str):
        return re.sub(r"\{([^{}]+)\}", lambda match: names[match[1]], value)
    if isinstance(value, dict):
        return {name: filled(one, names) for name, one in value.items()}
    if isinstance(value, list):
        return [filled(one, names) for one in value]
    return value


def assert_like(found: Any, expected: Any) -> None:
    """Equal, or of the form that is expected; objects and arrays may hold more."""
    if isinstance(expected, re.Pattern):
        assert isinstance(found, str) and expected.fullmatch(found), (found, expected.pattern)
    elif isinstance(expected, type):
        assert isinstance(found, expected), (found, expected)
    elif isinstance(expected, dict):
        assert set(found) >= set(expected), (found, expected)
        for name, one in expected.items():
            assert_like(found[name], one)
    elif isinstance(expected, list):
        for one in expected:
            assert any(_is_like(candidate, one) for candidate in found), one
    else:
        assert found == expected


def _is_like(found: Any, expected: Any) -> bool:
    try:
        assert_like(found, expected)
    except AssertionError:
        return False
    return True


def send(world: World, case: Case) -> Answer:
    method, _, path = case.request.partition(" ")
    path = re.sub(r"\{([^{}]+)\}", lambda match: quote(world.names[match[1]]), path)
    if case.body is None:
        return world.client.send(method, path)
    if (method, path) == ("POST", "/todo"):
        return world.tasks.post(filled(case.body, world.names))
    return world.client.send_json(method, path, filled(case.body, world.names))


# --- what is there before ------------------------------------------------------------------------


def a_file(world: World) -> None:
    document = world.drop.file(b"the content of notes.txt, in 42 bytes or so", "notes.txt")
    world.names |= {"fileId": document["file_id"], "bucket": document["bucket"]}
    world.names |= {"key": document["object_key"], "etag": document["etag"]}


def an_image(world: World) -> None:
    world.album.recorded(world.names["example.png"], Bucket="image-upload-demo-komal", Source="S3")


def a_picture(world: World) -> None:
    item = world.album.picture(picture(), world.names["example.png"])
    world.names |= {"fileId": item["FileId"], "bucket": item["Bucket"]}


def a_notes_record(world: World) -> None:
    key = f"incoming/{world.drop.tag}-notes.txt"
    world.album.recorded(key, Bucket=world.names["your-bucket-name"])
    world.names["incoming/notes.txt"] = key


def a_task(world: World) -> None:
    task = world.tasks.task(user=world.names["maria123"], description="Milk, eggs, bread")
    world.names["task-001"] = task["taskId"]


TIME, ID, TASK_ID = re.compile(TIMESTAMP), re.compile(UUID7), re.compile(UUID)
IMAGE = {"FileName": "{example.png}", "Bucket": "image-upload-demo-komal", "Source": "S3",
         "Timestamp": TIME}  # fmt: skip
NAME = {"FileName": "{example.png}"}
TASK = {"userId": "{maria123}", "taskId": TASK_ID, "title": "Buy groceries",
        "description": "Milk, eggs, bread", "status": "pending", "createdAt": TIME,
        "updatedAt": TIME}  # fmt: skip
NEW_TASK = {name: TASK[name] for name in ("userId", "title", "description")}
ITEM = {"bucket": "{bucket}", "object_key": "{key}", "size": int, "etag": "{etag}"}
MISSING_QUERY = {"error": "Missing required query parameters: bucket and key"}
NOT_FOUND = {"message": f"Todo with userID '{{maria123}}' and taskID '{GONE_TASK}' not found"}
LISTED = {"file_id": ID, "file_name": str, "file_size": int, "file_type": str, "created_at": TIME}

CASES = {
    "seed 0: GET /Students": Case("GET /Students", 200, [ITEM], prepare=(a_file,)),
    "seed 1: upload": Case(
        "POST /upload",
        200,
        "Metadata added successfully",
        {"FileName": "{example.png}", "Bucket": "image-upload-demo-komal", "Source": "S3"},
    ),
    "seed 1: upload again": Case(
        "POST /upload",
        200,
        "Metadata added successfully",
        {"FileName": "{example.png}", "Bucket": "image-upload-demo-komal", "Source": "S3"},
        prepare=(an_image,),
    ),
    "seed 1: get all": Case("GET /getall", 200, {"images": [IMAGE]}, prepare=(an_image,)),
    "seed 1: get by name": Case("POST /getitem", 200, {"data": IMAGE}, NAME, (an_image,)),
    "seed 1: get without a name": Case("POST /getitem", 400, {"error": "FileName missing"}, {}),
    "seed 1: get with an empty name": Case(
        "POST /getitem", 400, {"error": "FileName missing"}, {"FileName": ""}
    ),
    "seed 1: get what is not there": Case("POST /getitem", 404, {"error": "Item not found"}, NAME),
    "seed 1: delete": Case(
        "DELETE /delete",
        200,
        {"message": "Image and metadata deleted successfully", "deletedFile": "{example.png}"},
        NAME,
        (an_image,),
    ),
    "seed 1: delete a picture": Case(
        "DELETE /delete",
        200,
        {"message": "Image and metadata deleted successfully", "deletedFile": "{example.png}"},
        NAME,
        (a_picture,),
    ),
    "seed 1: delete without a name": Case("DELETE /delete", 400, {"error": "FileName missing"}, {}),
    "seed 1: delete what is not there": Case(
        "DELETE /delete", 404, {"error": "Item not found"}, NAME
    ),
    "seed 2: success": Case(
        "GET /metadata?bucket={bucket}&key={key}", 200, ITEM, prepare=(a_file,)
    ),
    "seed 2: incoming/notes.txt": Case(
        "GET /metadata?bucket={your-bucket-name}&key={incoming/notes.txt}",
        200,
        {"bucket": "{your-bucket-name}", "object_key": "{incoming/notes.txt}"},
        prepare=(a_notes_record,),
    ),
    "seed 2: not found": Case(
        "GET /metadata?bucket={your-bucket-name}&key=incoming/notes.txt",
        404,
        {"error": "Metadata not found"},
    ),
    "seed 2: no parameters": Case("GET /metadata", 400, MISSING_QUERY),
    "seed 2: no key": Case("GET /metadata?bucket={your-bucket-name}", 400, MISSING_QUERY),
    "seed 2: no bucket": Case("GET /metadata?key=incoming/notes.txt", 400, MISSING_QUERY),
    "seed 3: create": Case("POST /todo", 200, TASK, NEW_TASK),
    "seed 3: create with userID": Case(
        "POST /todo",
        200,
        TASK,
        {"userID": "{maria123}", "title": "Buy groceries", "description": "Milk, eggs, bread"},
    ),
    "seed 3: create without a body": Case(
        "POST /todo", 400, {"message": "Request body is missing"}, b"null"
    ),
    "seed 3: create without a title": Case(
        "POST /todo", 400, {"message": "Missing required fields"}, {"userId": "{maria123}"}
    ),
    "seed 3: create without a user": Case(
        "POST /todo", 400, {"message": "Missing required fields"}, {"title": "Buy groceries"}
    ),
    "seed 3: list": Case("GET /todos?userId={maria123}", 200, [TASK], prepare=(a_task,)),
    "seed 3: list by userID": Case("GET /todos?userID={maria123}", 200, [TASK], prepare=(a_task,)),
    "seed 3: list of nobody": Case(
        "GET /todos", 400, {"message": "Missing userId in query parameters"}
    ),
    "seed 3: update": Case(
        "PUT /todos/{task-001}?userId={maria123}",
        200,
        {**TASK, "status": "completed"},
        {"status": "completed"},
        (a_task,),
    ),
    "seed 3: update by userID": Case(
        "PUT /todos/{task-001}?userID={maria123}",
        200,
        {**TASK, "status": "completed"},
        {"status": "completed"},
        (a_task,),
    ),
    "seed 3: update what is not there": Case(
        f"PUT /todos/{GONE_TASK}?userId={{maria123}}",
        404,
        {"message": str},
        {"status": "completed"},
    ),
    "seed 3: update nothing": Case(
        "PUT /todos/{task-001}?userId={maria123}",
        400,
        {"message": "No valid fields to update"},
        {"colour": "blue"},
        (a_task,),
    ),
    "seed 3: update of nobody": Case(
        f"PUT /todos/{GONE_TASK}",
        400,
        {"message": "Missing taskID or userId"},
        {"status": "completed"},
    ),
    "seed 3: delete": Case(
        "DELETE /todos/{maria123}/{task-001}",
        200,
        {"message": "Todo '{task-001}' deleted successfully for user '{maria123}'"},
        prepare=(a_task,),
    ),
    "seed 3: delete what is not there": Case(
        f"DELETE /todos/{{maria123}}/{GONE_TASK}", 404, NOT_FOUND
    ),
    "seed 3: delete task-001": Case(
        "DELETE /todos/maria123/task-001",
        404,
        {"message": "Todo with userID 'maria123' and taskID 'task-001' not found"},
    ),
    "seed 3: delete without a task": Case(
        "DELETE /todos/maria123/",
        400,
        {"message": "Missing 'userID' or 'taskID' in path parameters"},
    ),
    "seed 4: update the name": Case(
        "PUT /files/{fileId}",
        200,
        {"message": "File updated successfully", "file": {"file_name": "new name.txt"}},
        {"file_name": "new name.txt"},
        (a_file,),
    ),
    "seed 4: delete": Case(
        "DELETE /files/{fileId}",
        200,
        {"message": "File deleted successfully", "file_id": "{fileId}"},
        prepare=(a_file,),
    ),
    "seed 4: delete what is not there": Case(f"DELETE /files/{GONE_TASK}", 404, {"error": str}),
    "seed 4: read what is not there": Case(f"GET /files/{GONE_TASK}", 404, {"error": str}),
    "seed 4: list": Case(
        "GET /files", 200, [{**LISTED, "file_name": "notes.txt"}], prepare=(a_file,)
    ),
}


@pytest.mark.parametrize("label", CASES)
def test_the_printed_request_gets_the_printed_response(world: World, label: str) -> None:
    case = CASES[label]
    for prepare in case.prepare:
        prepare(world)
    answer = assert_status(send(world, case), case.status)
    world.album.items()
    assert answer.headers["Content-Type"].split(";")[0] == "application/json"
    assert_like(answer.json(), filled(case.answer, world.names))


# --- what a seed shows in several steps ----------------------------------------------------------


def test_seed_1_a_deleted_image_is_gone_from_table_and_bucket(world: World) -> None:
    a_picture(world)
    path = f"/files/{world.names['fileId']}"
    assert_status(world.client.get(path), 200)
    assert_status(world.album.remove(world.names["example.png"]), 200)
    assert_status(world.album.find(world.names["example.png"]), 404)
    assert_status(world.client.get(path), 404)


def test_seed_2_the_printed_fields(world: World) -> None:
    a_file(world)
    names, query = world.names, "bucket={bucket}&key={key}"
    item = world.client.get(f"/metadata?{filled(query, names)}").json()
    assert list(item)[:7] == ["bucket", "object_key", "size", "etag", "event_time", "event_name",
                              "sequencer"]  # fmt: skip
    assert all(item[name] is None or isinstance(item[name], str) for name in list(item)[4:7])


def test_seed_3_the_fields_of_a_task(world: World) -> None:
    a_task(world)
    (task,) = world.tasks.all(world.names["maria123"])
    assert list(task) == list(TASK)


def test_seed_3_a_task_from_beginning_to_end(world: World) -> None:
    user = f"maria123-{uuid4().hex}"
    task = world.tasks.task("Buy groceries", user, description="Milk, eggs, bread")
    assert world.tasks.all(user) == [task]
    done = assert_status(world.tasks.put(task["taskId"], {"status": "completed"}, user), 200).json()
    assert done == {**task, "status": "completed", "updatedAt": done["updatedAt"]}
    assert world.tasks.all(user) == [done]
    assert_status(world.tasks.delete(task["taskId"], user), 200)
    assert world.tasks.all(user) == []


def uploads(drop: Drop) -> dict[str, Answer]:
    """Seed 4's two inputs: a form and binary data."""
    return {
        "form": drop.form(file(b"\0binary\xff", f"{drop.tag}.bin")),
        "binary data": drop.raw(b"\0binary\xff"),
    }


def test_seed_4_upload_and_read(drop: Drop, client: Client) -> None:
    for answer in uploads(drop).values():
        document = drop.document(answer)
        assert_like(document, {**LISTED, "file_name": f"{drop.tag}.bin", "file_size": 8})
        assert client.get(f"/files/{document['file_id']}").body == b"\0binary\xff"


def test_seed_4_new_content_by_form_and_binary_data(drop: Drop, client: Client) -> None:
    for answer in uploads(drop).values():
        path = f"/files/{drop.document(answer)['file_id']}"
        made = form(file(b"by form", "other.txt"))
        for content, kind in ((made.body, made.content_type), (b"raw", "text/plain")):
            updated = assert_status(client.put(path, content, {"Content-Type": kind}), 200).json()
            assert updated["message"] == "File updated successfully"
        assert client.get(path).body == b"raw"


def test_seed_4_a_deleted_file_is_not_listed(drop: Drop, client: Client) -> None:
    document: Document = drop.file()
    assert document in drop.listing()
    assert_status(client.delete(f"/files/{document['file_id']}"), 200)
    assert drop.listing() == []
    assert_status(client.get(f"/files/{document['file_id']}"), 404)
    assert_status(client.delete(f"/files/{document['file_id']}"), 404)
