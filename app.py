"""FILE DROP as a WSGI application: wires the parts together, and nothing else.

`python app.py` starts the real server on `HOST:PORT`.
"""

import os
import sys
import time
from datetime import timedelta
from pathlib import Path

from flask import Flask, Response, g
from werkzeug.exceptions import HTTPException

from blueprints import files, health, responses
from blueprints.context import (
    EXTENSION,
    Services,
    after_answer,
    hand_over_work,
    request_id,
)
from config import InvalidSettings, Settings, load_settings
from errors import ApiError
from services.catalog import Catalog
from services.collections import ALL, FILES, JOBS
from services.sweep import Sweep
from storage import open_documents, open_objects
from storage.interfaces import Database, ObjectStore, StorageError

ROOT = Path(__file__).parent


def create_app(
    settings: Settings | None = None,
    objects: ObjectStore | None = None,
    documents: Database | None = None,
) -> Flask:
    """The application. Make it after a fork: the clients of the stores do not survive one."""
    settings = settings or load_settings()
    objects = objects or open_objects(settings)
    documents = documents or open_documents(settings)
    collection = documents.collection(FILES)
    horizon = timedelta(seconds=settings.event_horizon)
    catalog = Catalog(objects, collection, settings.s3_prefix, horizon, defer=after_answer)
    sweep = Sweep(catalog, collection, documents.collection(JOBS))
    app = Flask("file_drop", static_folder=None)
    app.extensions[EXTENSION] = Services(settings, objects, documents, collection, catalog, sweep)
    for blueprint in (files.blueprint, health.blueprint):
        app.register_blueprint(blueprint, url_prefix=settings.url_prefix or None)
    app.before_request(_begin)
    app.after_request(_finish)
    app.register_error_handler(ApiError, responses.error)
    app.register_error_handler(StorageError, responses.storage_error)
    app.register_error_handler(HTTPException, responses.http_error)
    app.register_error_handler(Exception, responses.unexpected_error)
    return app


def prepare(settings: Settings) -> dict[str, str]:
    """Make folders, schema and indexes where they are missing; says what was done.

    Called once before workers are forked. Raises `StorageError`.
    """
    objects, documents = open_objects(settings), open_documents(settings)
    try:
        objects.prepare()
        return dict(documents.prepare(ALL))
    finally:
        documents.close()


def _begin() -> None:
    g.begun = time.monotonic()


def _finish(response: Response) -> Response:
    response.headers["X-Request-Id"] = request_id()
    responses.log_request(response, time.monotonic() - g.begun)
    return hand_over_work(response)


def main() -> None:
    """Become the real server."""
    try:
        load_settings()
    except InvalidSettings as error:
        sys.exit(f"file-drop: {error}")
    os.chdir(ROOT)
    gunicorn = (sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "app:create_app()")
    os.execv(sys.executable, gunicorn)


if __name__ == "__main__":
    main()
