"""Imports go one way: app -> blueprints -> services -> storage.interfaces (docs: DESIGN, "Rooms").

Read from the source, lazy imports included, so that nothing has to be run.
"""

import ast
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.servers.processes import ROOT

ROOMS = ("blueprints", "services", "storage")


def sources() -> dict[str, Path]:
    """The modules of the application by their names."""
    paths = [*ROOT.glob("*.py"), *(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))]
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted(paths)
    }


SOURCES = sources()


def imports(module: str) -> set[str]:
    """All that a module imports; a module of ours by its whole name."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(SOURCES[module].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            base = node.module or ""
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                found.add(inner if inner in SOURCES else base)
    return found


IMPORTS = {module: imports(module) for module in SOURCES}


def ours(module: str) -> set[str]:
    return IMPORTS[module] & SOURCES.keys()


def others(module: str) -> set[str]:
    """Packages of others, the standard library's `sqlite3` among them."""
    heads = {name.partition(".")[0] for name in IMPORTS[module] - SOURCES.keys()}
    return {head for head in heads if head not in sys.stdlib_module_names or head == "sqlite3"}


COMMON = {"config", "errors", "faults", "storage.interfaces"}
# module or room -> what of ours it may import, beside its own room
MAY_IMPORT: dict[str, set[str]] = {
    "config": set(),
    "faults": set(),
    "logs": set(),
    "connection": set(),
    "errors": {"storage.interfaces"},
    "worker": {"connection", "errors"},
    "storage": {"config", "errors", "faults"},
    "services": COMMON,
    "blueprints": COMMON | {name for name in SOURCES if name.startswith("services.")},
    "commands": {
        *(
            "blueprints.context",
            "errors",
            "services.collections",
            "services.keys",
            "services.principals",
        ),
        *("services.reconcile", "storage.interfaces"),
    },
    "app": COMMON
    | {"commands", "storage"}
    | {name for name in SOURCES if name.partition(".")[0] in ("services", "blueprints")},
    "gunicorn.conf": {
        *("app", "config", "connection", "logs", "worker"),
        *("blueprints.context", "services.sweep", "storage.interfaces"),
    },
    # The command beside the app that makes what the app needs.
    "create_bucket": {
        *("app", "config"),
        *("storage.interfaces", "storage.s3_client", "storage.s3_setup"),
    },
}
# package -> the back end, or else the one module, that may know it
DRIVERS = {
    "boto3": "storage.s3",
    "botocore": "storage.s3",
    "pymongo": "storage.mongo",
    "bson": "storage.mongo",
    "sqlite3": "storage.sqlite",
    "PIL": "services.pictures",
}


def room(module: str) -> str:
    return module.partition(".")[0]


@pytest.mark.parametrize("module", SOURCES)
def test_imports_go_one_way(module: str) -> None:
    allowed = MAY_IMPORT[module if module in MAY_IMPORT else room(module)]
    own_room = {name for name in SOURCES if room(name) == room(module)}
    assert ours(module) <= allowed | own_room


def test_the_interfaces_know_nothing() -> None:
    assert ours("storage.interfaces") == others("storage.interfaces") == set()


def test_no_module_imports_itself_round_a_corner() -> None:
    TopologicalSorter({module: ours(module) for module in SOURCES}).prepare()


@pytest.mark.parametrize("package", DRIVERS)
def test_a_driver_stays_in_its_back_end(package: str) -> None:
    knowing = [module for module in SOURCES if package in others(module)]
    assert [module for module in knowing if not module.startswith(DRIVERS[package])] == []


def test_only_the_http_side_knows_flask() -> None:
    knowing = {module for module in SOURCES if others(module) & {"flask", "werkzeug", "click"}}
    assert {room(module) for module in knowing} == {"app", "blueprints", "commands"}


def test_services_and_storage_know_no_server() -> None:
    knowing = {module for module in SOURCES if "gunicorn" in others(module)}
    assert {room(module) for module in knowing} <= {"worker", "blueprints"}


def test_drivers_are_found_in_the_source() -> None:
    """That the tests above read what they mean to read."""
    assert {"boto3", "botocore"} <= others("storage.s3_client")
    assert "pymongo" in others("storage.mongo") and "sqlite3" in others("storage.sqlite")
    assert "PIL" in others("services.pictures")
    assert "storage.s3_client" in ours("storage")  # imported within a function


def test_the_app_alone_picks_the_back_ends() -> None:
    pickers = {module for module in SOURCES if "storage" in ours(module)}
    assert pickers == {"app"}
