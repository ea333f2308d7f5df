"""Commands beside the server: `flask reconcile`, `flask keys`."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from flask.cli import with_appcontext

from blueprints.context import services
from errors import ApiError
from services.collections import ALL
from services.keys import parse_query
from services.principals import READ, WRITE
from services.reconcile import Progress, Summary
from storage.interfaces import StorageError

PROGRESS_SECONDS = 0.5


@click.command()
@click.option("--dry-run", is_flag=True, help="Find differences and change nothing.")
@click.option(
    "--prune",
    is_flag=True,
    help="Also delete, of the service's own: bytes that no document speaks of and that are older "
    "than a day, and documents whose bytes are lost.",
)
@with_appcontext
def reconcile(dry_run: bool, prune: bool) -> None:
    """Look at every key where bucket and catalog differ, and make the catalog right.

    Safe while the service runs. Prints a JSON summary. Exit status: 0 if no difference is
    left, 1 if some are, 2 if it could not be done.
    """
    if dry_run and prune:
        raise click.UsageError("--dry-run changes nothing, --prune deletes: give one of them")
    reconciler = services().reconciler
    run = reconciler.look if dry_run else reconciler.prune if prune else reconciler.mend
    try:
        with _progress() as progress:
            summary = run(progress)
    except StorageError as error:
        click.echo(f"reconcile: a store failed: {error}", err=True)
        sys.exit(2)
    click.echo(json.dumps(_shown(summary)))
    sys.exit(1 if summary.left else 0)


def _shown(summary: Summary) -> dict[str, Any]:
    return {
        "objects": summary.objects,
        "documents": summary.documents,
        "found": {kind: count for kind, count in summary.found.items() if count},
        "mended": {kind: count for kind, count in summary.mended.items() if count},
        "left": summary.left,
    }


@contextmanager
def _progress() -> Iterator[Progress]:
    """A line on the terminal that is written over; nothing where nobody looks."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    shown_at = time.monotonic()

    def show(summary: Summary) -> None:
        nonlocal shown_at
        if time.monotonic() - shown_at >= PROGRESS_SECONDS:
            shown_at = time.monotonic()
            counted = f"{summary.objects} objects, {summary.documents} documents"
            click.echo(f"\r{counted}, {summary.found.total()} differences", err=True, nl=False)

    try:
        yield show
    finally:
        click.echo(err=True)


@click.group("keys")
def keys_group() -> None:
    """API keys, which let one in where `AUTH=keys`."""


@keys_group.command("create")
@click.argument("name")
@click.option("--owner", help="Whose files it reads and makes; the name, unless it is given.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    default=(READ, WRITE),
    show_default=True,
    help="What it may do, once for each: read, write, admin.",
)
@click.option("--expires", help="A moment, as 2027-01-31T00:00:00Z, or a time such as 30d or 12h.")
@with_appcontext
def create_key(name: str, owner: str | None, scopes: tuple[str, ...], expires: str | None) -> None:
    """Make a key and print it, alone: nobody can be told it again."""
    with _failures():
        services().documents.prepare(ALL)  # it may be made before the first start
        secret, _ = services().keys.create(name, owner or name, scopes, expires)
    click.echo(secret)


@keys_group.command("list")
@with_appcontext
def list_keys() -> None:
    """Print a line of JSON for each key, without what would let one in."""
    parameters: dict[str, str] = {}
    while True:
        with _failures():
            keys, cursor = services().keys.page(parse_query(parameters))
        for key in keys:
            click.echo(json.dumps(key))
        if cursor is None:
            return
        parameters = {"cursor": cursor}


@keys_group.command("revoke")
@click.argument("name")
@with_appcontext
def revoke_key(name: str) -> None:
    """Refuse a key from now on, at every worker and machine."""
    with _failures():
        services().keys.revoke(name)


@contextmanager
def _failures() -> Iterator[None]:
    """One clear line, and exit status 1 for a mistake, 2 for a store that failed."""
    try:
        yield
    except ApiError as error:
        raise click.ClickException(error.sentence) from None
    except StorageError as error:
        click.echo(f"keys: a store failed: {error}", err=True)
        sys.exit(2)
