"""The application with a large bucket of others' objects beside its own files, or another clock.

`STANDIN_PLAN` is `total,each` of a `Plan`: the local store then lists, beside what it has,
objects that are only said to be there. `STANDIN_AHEAD` is by how many seconds the clock of the
reconciler is ahead, so that uploads under way are old enough for it. `STANDIN_PAGE` is how many
documents it reads at a time: few, and even a small catalog goes on changing between its pages.
For `flask --app`.
"""

import dataclasses
import heapq
import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from flask import Flask

import app
from blueprints.context import EXTENSION, Services
from config import Settings
from services import clock, reconcile
from services.collections import FILES
from services.files import Files
from services.observer import Observer
from services.reconcile import Reconciler
from storage.interfaces import Listed, NotFound, ObjectStat
from storage.local import LocalStore
from tests.reconcile.plan import Plan, etag

PLAN, AHEAD, PAGE = "STANDIN_PLAN", "STANDIN_AHEAD", "STANDIN_PAGE"


class StandIn(LocalStore):
    """A local store whose bucket also has the objects of a plan, made up as they are asked for."""

    def __init__(self, data_dir: Path, prefix: str, plan: Plan) -> None:
        super().__init__(data_dir, prefix)
        self._plan = plan

    def list(self, prefix: str, after: str) -> Iterator[Listed]:
        others = (
            listed
            for listed in self._plan.listed()
            if listed.key.startswith(prefix) and listed.key.encode() > after.encode()
        )
        return heapq.merge(super().list(prefix, after), others, key=lambda one: one.key.encode())

    def stat(self, key: str) -> ObjectStat:
        if key.startswith(f"{self._prefix}/"):
            return super().stat(key)
        assert "\0" not in key, key
        number = self._plan.number(key)
        content = None if number is None else self._plan.stored(number)
        if content is None:
            raise NotFound(key)
        return ObjectStat(len(content), etag(content), "application/octet-stream")

    def delete(self, key: str) -> None:
        assert key.startswith(f"{self._prefix}/"), f"not the service's to delete: {key}"
        super().delete(key)


def stand_in(settings: Settings) -> LocalStore | None:
    """The stand-in that the environment asks for."""
    numbers = os.environ.get(PLAN)
    if numbers is None:
        return None
    total, each = map(int, numbers.split(","))
    return StandIn(settings.data_dir, settings.s3_prefix, Plan(total, each))


def create_app() -> Flask:
    """As `app.create_app`."""
    reconcile.PAGE = int(os.environ.get(PAGE, reconcile.PAGE))
    settings = app.settings_or_exit()
    made = app.create_app(settings, stand_in(settings))
    ahead = timedelta(seconds=float(os.environ.get(AHEAD, "0")))
    made.extensions[EXTENSION] = _with_clock(made.extensions[EXTENSION], ahead)
    return made


def _with_clock(services: Services, ahead: timedelta) -> Services:
    def now() -> datetime:
        return clock.now() + ahead

    files = Files(
        services.objects,
        services.documents.collection(FILES),
        services.settings.s3_prefix,
        timedelta(seconds=services.settings.event_horizon),
        now,
    )
    return dataclasses.replace(services, reconciler=Reconciler(Observer(files), files))
