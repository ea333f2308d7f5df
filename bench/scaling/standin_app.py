"""The application with a local store that is said to have the object of every file of a `Stock`.

`SCALING_TOTAL` is how many files were counted. For `flask --app`, to reconcile.
"""

import os
from collections.abc import Iterator

from flask import Flask

import app
from bench.scaling.stock import Stock
from storage.interfaces import Listed
from storage.local import LocalStore

TOTAL = "SCALING_TOTAL"


class StandIn(LocalStore):
    """Objects are made up as they are listed; nothing is read from a disk for them."""

    def list(self, prefix: str, after: str) -> Iterator[Listed]:
        return Stock(int(os.environ[TOTAL])).listed()


def create_app() -> Flask:
    settings = app.settings_or_exit()
    return app.create_app(settings, StandIn(settings.data_dir, settings.s3_prefix))
