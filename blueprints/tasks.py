"""Tasks (seed 3): its clients work unchanged, with `userId` and `userID` alike."""

from typing import Any

from flask import Blueprint, Response
from flask.blueprints import BlueprintSetupState
from werkzeug.routing import BaseConverter

from blueprints import responses
from blueprints.access import needs
from blueprints.body import has_body, query_parameters, read_json
from blueprints.context import about, principal, services
from errors import ApiError
from services.principals import READ, WRITE
from services.tasks import parse_query

blueprint = Blueprint("tasks", __name__)


class Anything(BaseConverter):
    """Part of a path with whatever is in it, slashes and line ends included, or nothing."""

    part_isolating = False
    regex = r"[\s\S]*?"
    weight = 200


@blueprint.record
def _add_converter(state: BlueprintSetupState) -> None:
    state.app.url_map.converters["anything"] = Anything


@blueprint.post("/todo")
@needs(WRITE)
def create() -> Response:
    """A new task from `userId`, `title` and, if there is one, `description`."""
    query_parameters()
    task = services().tasks.create(principal(), _body())
    about(task["taskId"])
    return responses.as_json(task)


@blueprint.get("/todos")
@needs(READ)
def list_all() -> Response:
    """A user's tasks, oldest first, as a plain array; the next page is in `Link`."""
    parameters = query_parameters("userId", "userID", "limit", "cursor")
    user_id = _user(parameters)
    if not user_id:
        raise ApiError("missing_user")
    query = parse_query(parameters, user_id)
    tasks, cursor = services().tasks.list_all(principal(), user_id, query)
    return responses.page(tasks, cursor)


@blueprint.put("/todos", defaults={"task_id": ""})
@blueprint.put("/todos/", defaults={"task_id": ""})
@blueprint.put("/todos/<task_id>")
@needs(WRITE)
def update(task_id: str) -> Response:
    """Change `title`, `description` or `status`: the whole task as it is then."""
    user_id = _user(query_parameters("userId", "userID"))
    if not user_id or not task_id:
        raise ApiError("missing_task_or_user")
    return responses.as_json(services().tasks.update(principal(), user_id, task_id, _body()))


@blueprint.delete("/todos", defaults={"user_id": "", "task_id": ""})
@blueprint.delete("/todos/", defaults={"user_id": "", "task_id": ""})
@blueprint.delete("/todos/<task_id>", defaults={"user_id": ""})
@blueprint.delete("/todos/<anything:user_id>/", defaults={"task_id": ""})
@blueprint.delete("/todos/<anything:user_id>/<task_id>")
@needs(WRITE)
def delete(user_id: str, task_id: str) -> Response:
    """Remove a task of a user."""
    query_parameters()
    if not user_id or not task_id:
        raise ApiError("missing_task_in_path")
    services().tasks.delete(principal(), user_id, task_id)
    message = f"Todo '{task_id}' deleted successfully for user '{user_id}'"
    return responses.as_json({"message": message})


def _user(parameters: dict[str, str]) -> str:
    return parameters.get("userId") or parameters.get("userID") or ""


def _body() -> dict[str, Any]:
    body = read_json() if has_body() else None
    if body is None:
        raise ApiError("missing_task_body")
    if not isinstance(body, dict):
        raise ApiError("invalid_json")
    return body
