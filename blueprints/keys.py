"""API keys, for admins (SPEC section 10): made, listed, revoked."""

from flask import Blueprint, Response

from blueprints import responses
from blueprints.access import needs
from blueprints.body import query_parameters, read_json_object
from blueprints.context import about, services
from errors import ApiError
from services.keys import parse_query
from services.principals import ADMIN, READ, WRITE

_MEMBERS = ("name", "owner", "scopes", "expires")

blueprint = Blueprint("keys", __name__)


@blueprint.post("/keys")
@needs(ADMIN)
def create() -> Response:
    """A new key from `name` and, where given, `owner`, `scopes` and `expires`; 201.

    The answer is the only one that ever shows the key.
    """
    query_parameters()
    body = read_json_object()
    for name in body:
        if name not in _MEMBERS:
            raise ApiError("invalid_member", name=name, detail="is not known here")
    secret, document = services().keys.create(
        body.get("name"),
        body.get("owner", body.get("name")),
        body.get("scopes", [READ, WRITE]),
        body.get("expires"),
    )
    about(document["name"])
    return responses.as_json({"key": secret, **document}, 201)


@blueprint.get("/keys")
@needs(ADMIN)
def list_all() -> Response:
    """A page of keys by name, without what would let one in; the next page is in `Link`."""
    query = parse_query(query_parameters("limit", "cursor"))
    return responses.page(*services().keys.page(query))


@blueprint.delete("/keys/<name>")
@needs(ADMIN)
def revoke(name: str) -> Response:
    """From now on the key is refused."""
    query_parameters()
    services().keys.revoke(name)
    return responses.as_json({"message": "Key revoked successfully", "name": name})
