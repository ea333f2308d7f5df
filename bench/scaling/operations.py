"""What clients ask of the service: each operation as one request, alike in every measurement."""

import json
from collections.abc import Iterable
from urllib.parse import urlencode

from bench.scaling.stock import CONTENT, ELSEWHERE, notified_key
from bench.speed.load import Answer, Request

TOKEN = "token-of-the-measurement"
LIMIT = 100
NO_NAME = "no file has this name"
_JSON = {"Content-Type": "application/json"}
_RAW = {"Content-Type": "application/octet-stream"}


def upload(number: int) -> Request:
    path = f"/files/upload?file_name=measured+{number}.bin"
    return Request("POST", path, _RAW, prefix=CONTENT, status=201)


def read(file_id: str) -> Request:
    return Request("GET", f"/files/{file_id}", size=len(CONTENT))


def metadata(file_id: str) -> Request:
    return Request("GET", f"/files/{file_id}/metadata")


def rename(file_id: str) -> Request:
    body = json.dumps({"file_name": f"renamed {file_id}.bin"}).encode()
    return Request("PUT", f"/files/{file_id}", _JSON, prefix=body)


def delete(file_id: str) -> Request:
    return Request("DELETE", f"/files/{file_id}")


def page(cursor: str | None = None, **filters: str) -> Request:
    pairs = {"limit": str(LIMIT), **filters} | ({"cursor": cursor} if cursor else {})
    return Request("GET", f"/files?{urlencode(pairs)}")


def no_match() -> Request:
    """A filter that matches nothing: one page looks at a bounded number of rows."""
    return page(file_name=NO_NAME)


def images() -> Request:
    return Request("GET", f"/getall?limit={LIMIT}")


def item() -> Request:
    body = json.dumps({"FileName": NO_NAME}).encode()
    return Request("POST", "/getitem", _JSON, prefix=body, status=404)


def event(number: int, bucket: str = ELSEWHERE) -> Request:
    """An object was written anew; numbers that rise make events that are newer."""
    thing = {
        "key": notified_key(number),
        "size": number,
        "eTag": f"{number:032x}",
        "sequencer": f"{number:016X}",
    }
    record = {
        "eventName": "ObjectCreated:Put",
        "eventTime": "2026-03-09T18:00:00.000Z",
        "s3": {"bucket": {"name": bucket}, "object": thing},
    }
    body = json.dumps({"Records": [record]}).encode()
    headers = {**_JSON, "Authorization": f"Bearer {TOKEN}"}
    return Request("POST", "/events/s3", headers, prefix=body)


def ids(answers: Iterable[Answer]) -> list[str]:
    """The files that uploads have made, by what the answers say of where they are."""
    return [one.location.rpartition("/")[2] for one in answers if one.location]
