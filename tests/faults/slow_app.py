"""The service with a short window for the rate of a body."""

from flask import Flask

import app
import connection

WINDOW_SECONDS = 3.0


def create_app() -> Flask:
    """Called in each worker."""
    connection.WINDOW_SECONDS = WINDOW_SECONDS
    return app.create_app()
