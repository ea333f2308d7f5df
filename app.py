"""FILE DROP as a WSGI application: wires the parts together, and nothing else.

`python app.py` starts the real server on `HOST:PORT`.
"""

import os
import sys
import time
from datetime import timedelta
from pathlib import Path

from flask import Blueprint, Flask, Response, g
from werkzeug.exceptions import HTTPException

from blueprints import (
    access,
    audit,
    browsers,
    events,
    files,
    health,
    images,
    keys,
    metadata,
    responses,
    tasks,
)
from blueprints.context import (
    EXTENSION,
    Services,
    after_answer,
    hand_over_work,
    request_id,
)
from blueprints.forwarded import Forwarded
from commands import keys_group, reconcile
from config import InvalidSettings, Settings, load_settings
from errors import ApiError
from services.catalog import Catalog
from services.collections import ALL, FILES, JOBS, KEYS, TASKS
from services.description import Describer
from services.events import Events
from services.files import Files
from services.images import Images
from services.keys import Keys
from services.observer import Observer
from services.reconcile import Reconciler
from services.sweep import Sweep
from services.tasks import Tasks
from storage import open_documents, open_objects
from storage.interfaces import Database, ObjectStore, StorageError

ROOT = Path(__file__).parent


def create_app(
    settings: Settings | None = None,
    objects: ObjectStore | None = None,
    documents: Database | None = None,
) -> Flask:
    """The application. Make it after a fork: the clients of the stores do not survive one.

    Without settings it is a command that is started: what is wrong in them ends it.
    """
    settings = settings or settings_or_exit()
    objects = objects or open_objects(settings)
    documents = documents or open_documents(settings)
    app = Flask("file_drop", static_folder=None)
    # A user's id, and so a path, may hold two slashes; and no path stands for another.
    app.url_map.merge_slashes = False
    app.url_map.redirect_defaults = False
    app.extensions[EXTENSION] = _services(settings, objects, documents)
    for blueprint in _doors(settings):
        app.register_blueprint(blueprint, url_prefix=settings.url_prefix or None)
    for command in (reconcile, keys_group):
        app.cli.add_command(command)
    app.wsgi_app = Forwarded(app.wsgi_app, settings.trusted_proxies)  # type: ignore[method-assign]
    access.check_declared(app)
    app.before_request(_begin)
    app.before_request(browsers.check)
    app.before_request(access.authorize)
    app.after_request(_finish)
    app.register_error_handler(ApiError, responses.error)
    app.register_error_handler(StorageError, responses.storage_error)
    app.register_error_handler(HTTPException, responses.http_error)
    app.register_error_handler(Exception, responses.unexpected_error)
    return app


def _services(settings: Settings, objects: ObjectStore, documents: Database) -> Services:
    horizon = timedelta(seconds=settings.event_horizon)
    file_documents = Files(
        objects,
        documents.collection(FILES),
        settings.s3_prefix,
        horizon,
        bucket_owner=settings.bucket_owner,
    )
    api_keys = Keys(documents.collection(KEYS))
    authenticators = {"none": access.anyone, "keys": access.by_key(api_keys)}
    observer = Observer(file_documents)
    describer = Describer(objects, settings.image_formats)
    catalog = Catalog(file_documents, observer, describer, defer=after_answer)
    return Services(
        settings=settings,
        objects=objects,
        documents=documents,
        files=file_documents.collection,
        catalog=catalog,
        images=Images(catalog, file_documents),
        tasks=Tasks(documents.collection(TASKS)),
        keys=api_keys,
        authenticators=[authenticators[name] for name in settings.auth],
        events=Events(observer, file_documents),
        reconciler=Reconciler(observer, file_documents),
        sweep=Sweep(file_documents, documents.collection(JOBS)),
    )


def _doors(settings: Settings) -> list[Blueprint]:
    """The hook for events is there only if there is a token that its senders can know, and
    the keys only where they let somebody in."""
    hook = [events.blueprint] if settings.events_token else []
    of_keys = [keys.blueprint] if "keys" in settings.auth else []
    return [
        files.blueprint,
        metadata.blueprint,
        images.blueprint,
        tasks.blueprint,
        health.blueprint,
        *hook,
        *of_keys,
    ]


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
    audit.record(response)
    return hand_over_work(browsers.add_headers(response))


def settings_or_exit() -> Settings:
    """The settings; one line that names what is wrong in them, and no more, if they are."""
    try:
        return load_settings()
    except InvalidSettings as error:
        print(f"file-drop: {error}", file=sys.stderr)
        sys.exit(2)


def main() -> None:
    """Become the real server."""
    settings_or_exit()
    os.chdir(ROOT)
    gunicorn = (sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "app:create_app()")
    os.execv(sys.executable, gunicorn)


if __name__ == "__main__":
    main()
