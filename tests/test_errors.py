"""The catalogue of errors: each code well-formed, used, and filled in as its sentence needs."""

import ast
import json
import re
from collections.abc import Iterator
from http import HTTPStatus
from string import Formatter

import pytest

import storage.interfaces
from errors import CATALOGUE, STATUS_CODES, ApiError, from_storage, render
from storage.interfaces import StorageError
from tests.test_imports import SOURCES

TREES = {module: ast.parse(path.read_text()) for module, path in SOURCES.items()}


# What the clients of the sources know, word for word and so without a full stop (SPEC 5 to 7).
IN_THE_SEEDS_WORDS = {
    "missing_bucket_and_key": "Missing required query parameters: bucket and key",
    "metadata_not_found": "Metadata not found",
    "file_name_missing": "FileName missing",
    "item_not_found": "Item not found",
    "missing_task_body": "Request body is missing",
    "missing_task_fields": "Missing required fields",
    "missing_user": "Missing userId in query parameters",
    "missing_task_or_user": "Missing taskID or userId",
    "missing_task_in_path": "Missing 'userID' or 'taskID' in path parameters",
    "no_valid_fields": "No valid fields to update",
    "task_not_found": "Todo with userID '{user_id}' and taskID '{task_id}' not found",
}


def placeholders(sentence: str) -> set[str]:
    return {field for _, field, _, _ in Formatter().parse(sentence) if field is not None}


@pytest.mark.parametrize("code", CATALOGUE)
def test_an_entry(code: str) -> None:
    status, sentence = CATALOGUE[code]
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", code)
    assert 400 <= HTTPStatus(status) < 600
    assert re.match(r"[A-Z]|\{[a-z]+\}$", sentence)
    if code in IN_THE_SEEDS_WORDS:
        assert sentence == IN_THE_SEEDS_WORDS[code]
    else:
        assert sentence.endswith((".", "}"))
    assert "\n" not in sentence and "  " not in sentence
    assert len(sentence) <= 200


def test_the_seeds_words_are_those_of_an_entry() -> None:
    assert IN_THE_SEEDS_WORDS.keys() <= CATALOGUE.keys()


def test_sentences_differ() -> None:
    assert len({entry.sentence for entry in CATALOGUE.values()}) == len(CATALOGUE)


# --- use -----------------------------------------------------------------------------------


def mentioned() -> set[str]:
    """Every text in the code but the catalogue's own keys."""
    catalogue = next(
        node.value
        for node in ast.walk(TREES["errors"])
        if isinstance(node, ast.Assign)
        and [ast.unparse(target) for target in node.targets] == ["CATALOGUE"]
    )
    inside = set(map(id, ast.walk(catalogue)))
    return {
        node.value
        for tree in TREES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside
    }


MENTIONED = mentioned()


@pytest.mark.parametrize("code", CATALOGUE)
def test_each_code_is_raised_or_mapped(code: str) -> None:
    assert code in MENTIONED


def raised() -> Iterator[tuple[str, str, set[str]]]:
    """Where an error of a named code is made, the code, and the details that are given."""
    for module, tree in TREES.items():
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and ast.unparse(node.func) == "ApiError"):
                continue
            first = node.args[0]
            if isinstance(first, ast.Constant):
                details = {keyword.arg or "**" for keyword in node.keywords} - {"headers"}
                yield f"{module}:{node.lineno}", str(first.value), details


RAISED = {place: (code, details) for place, code, details in raised()}


@pytest.mark.parametrize("place", RAISED)
def test_an_error_has_what_its_sentence_needs(place: str) -> None:
    code, details = RAISED[place]
    assert code in CATALOGUE
    assert details == placeholders(CATALOGUE[code].sentence)


def test_errors_are_found_in_the_source() -> None:
    assert len(RAISED) > 50


@pytest.mark.parametrize(("status", "code"), STATUS_CODES.items())
def test_the_framework_s_errors_keep_their_status(status: int, code: str) -> None:
    assert CATALOGUE[code].status == status
    assert ApiError(code).status == status


# --- rendering -----------------------------------------------------------------------------


def test_an_error_as_json() -> None:
    error = ApiError("invalid_parameter", name="{limit}", detail="must be ü")
    assert json.loads(render(error, "id-1")) == {
        "error": "The query parameter '{limit}' must be ü.",
        "code": "invalid_parameter",
        "request_id": "id-1",
    }
    assert (error.status, error.headers) == (400, {})
    assert str(error) == error.sentence


def test_an_error_as_json_for_those_who_look_for_another_member() -> None:
    error = ApiError("task_not_found", user_id="{task_id}", task_id="ü'")
    assert json.loads(render(error, "id-1", "message")) == {
        "message": "Todo with userID '{task_id}' and taskID 'ü'' not found",
        "code": "task_not_found",
        "request_id": "id-1",
    }


@pytest.mark.parametrize(
    "kind",
    [
        kind
        for kind in vars(storage.interfaces).values()
        if isinstance(kind, type) and issubclass(kind, StorageError)
    ],
)
def test_the_error_of_a_store(kind: type[StorageError]) -> None:
    error = from_storage(kind("the secret of the store"))
    status = 507 if kind.__name__ == "NoSpace" else 503
    assert (error.status, int(error.headers["Retry-After"]) > 0) == (status, True)
    assert "secret" not in render(error, "")
