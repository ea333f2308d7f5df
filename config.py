"""Settings: one table, read once from the environment and `.env`, into a frozen object.

`SETTINGS` is what `.env.example` and the README are checked against.
"""

import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from dotenv.parser import parse_stream

ENV_FILE = Path(__file__).parent / ".env"

KIB, MIB, GIB, TIB = 2**10, 2**20, 2**30, 2**40
AUTHENTICATORS = ("none", "keys")
# Pictures whose headers the service can read, by the names that Pillow has for them.
IMAGE_FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
_UNITS = {"": 1, "K": KIB, "M": MIB, "G": GIB, "T": TIB}


class InvalidSettings(Exception):
    """The settings cannot be used; the text is one line that names the culprit."""


class Setting(NamedTuple):
    """A row of the table: `parse` takes the text and raises ValueError with what was expected.

    The text of a `secret` one is never shown; a URL can hold a password.
    """

    name: str
    parse: Callable[[str], Any]
    default: str
    meaning: str
    secret: bool = False


def _text(value: str) -> str:
    return value


def _folder(value: str) -> str:
    if not value:
        raise ValueError("a folder")
    return value


def _whole_number(low: int, high: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,18}", value) or not low <= int(value) <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return int(value)

    return parse


def _size(value: str) -> int:
    match = re.fullmatch(r"([0-9]{1,15})\s*(?:([KMGT])iB|B)?", value)
    if match is None or int(match[1]) == 0:
        raise ValueError("a number of bytes, or one with a unit, such as 64MiB or 5TiB")
    size = int(match[1]) * _UNITS[match[2] or ""]
    if size > 5 * TIB:
        raise ValueError("at most 5TiB, the largest object that S3 takes")
    return size


def _switch(value: str) -> bool:
    if value not in ("0", "1", ""):
        raise ValueError("0 or 1")
    return value == "1"


def _url(*schemes: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        expected = f"a URL that begins with {' or '.join(s + '://' for s in schemes)}"
        if value and not re.fullmatch(rf"({'|'.join(map(re.escape, schemes))})://[^\s/]\S*", value):
            raise ValueError(expected)
        try:
            urlsplit(value)
        except ValueError:
            raise ValueError(expected) from None
        return value.rstrip("/")

    return parse


def _url_prefix(value: str) -> str:
    if value and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", value):
        raise ValueError("a path such as /prod, with no slash at its end")
    return value


def _bucket(value: str) -> str:
    if value and not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", value):
        raise ValueError("a bucket name as S3 has it: 3 to 63 of a-z, 0-9, '.' and '-'")
    return value


def _key_prefix(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*", value):
        raise ValueError("a key prefix such as file-drop; it must not be empty")
    return value


def _auth(value: str) -> tuple[str, ...]:
    names = _list(value)
    if not names or not set(names) <= set(AUTHENTICATORS) or ("none" in names and len(names) > 1):
        raise ValueError(f"one of {', '.join(AUTHENTICATORS)}")
    return names


def _list(value: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for part in value.split(",") if (name := part.strip())))


def _hosts(value: str) -> tuple[str, ...]:
    names = tuple(name.removesuffix(".") for name in _list(value.lower()))
    if not all(re.fullmatch(r"[a-z0-9._-]+|[0-9a-f:]+", name) for name in names):
        raise ValueError("host names without ports, with commas between them")
    return names


def _origins(value: str) -> tuple[str, ...]:
    names = _list(value.lower())
    if not all(re.fullmatch(r"https?://[a-z0-9._-]+(:[0-9]{1,5})?", name) for name in names):
        raise ValueError("origins such as https://app.example, with commas between them")
    return names


def _owner(value: str) -> str:
    if value and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", value):
        raise ValueError("the owner of a key")
    return value


def _networks(value: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    try:
        return tuple(ipaddress.ip_network(name) for name in _list(value))
    except ValueError:
        raise ValueError("addresses or networks, with commas between them") from None


def _token(value: str) -> str:
    if not re.fullmatch(r"[\x21-\x7e]*", value):
        raise ValueError("printable ASCII without spaces")
    return value


def _arn(value: str) -> str:
    if value and not re.fullmatch(r"arn:[a-z-]+:(sqs|sns|lambda):[^\s:]*:[^\s:]*:\S+", value):
        raise ValueError("the ARN of an SQS queue, an SNS topic or a Lambda function")
    return value


def _image_formats(value: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip().upper() for name in value.split(",")))
    if not set(names) <= set(IMAGE_FORMATS):
        raise ValueError(f"some of {', '.join(IMAGE_FORMATS)}")
    return names


def _log_level(value: str) -> str:
    if value not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise ValueError("DEBUG, INFO, WARNING or ERROR")
    return value


SETTINGS = (
    Setting("HOST", _text, "127.0.0.1", "Address to listen on."),
    Setting("PORT", _whole_number(1, 65535), "8000", "Port to listen on."),
    Setting("AUTH", _auth, "none", "Who may come in: `none` for anyone, `keys` for API keys."),
    Setting(
        "ALLOW_ANONYMOUS",
        _switch,
        "0",
        "1 lets a service without access control listen on more than a loopback address.",
    ),
    Setting(
        "ALLOWED_HOSTS",
        _hosts,
        "",
        "Host names, beside loopback ones, under which an open service may be asked.",
    ),
    Setting(
        "CORS_ORIGINS",
        _origins,
        "",
        "Origins whose web pages may use the service, such as `https://app.example`.",
    ),
    Setting(
        "TRUSTED_PROXIES",
        _networks,
        "",
        "Addresses or networks of proxies whose `X-Forwarded-` headers count.",
    ),
    Setting(
        "URL_PREFIX", _url_prefix, "", "Path under which every route is mounted, such as `/prod`."
    ),
    Setting(
        "DATA_DIR",
        _folder,
        "./data",
        "Folder of the embedded stores and, in `tmp`, of parts that find no room in memory.",
    ),
    Setting("S3_BUCKET", _bucket, "", "Bucket for the bytes; empty keeps them under `DATA_DIR`."),
    Setting(
        "S3_ENDPOINT_URL",
        _url("http", "https"),
        "",
        "Where the S3 store answers, such as `http://127.0.0.1:9000`; empty means AWS.",
        secret=True,
    ),
    Setting(
        "S3_PUBLIC_ENDPOINT_URL",
        _url("http", "https"),
        "",
        "The name by which clients reach the store, for `?redirect=1`; empty means the same.",
        secret=True,
    ),
    Setting("S3_REGION", _text, "us-east-1", "Region of the bucket."),
    Setting(
        "S3_PREFIX",
        _key_prefix,
        "file-drop",
        "What the keys of the service's own objects begin with.",
    ),
    Setting(
        "AWS_ACCESS_KEY_ID",
        _text,
        "",
        "Access key; empty leaves it to boto3's own chain (profile, instance role, ...).",
    ),
    Setting("AWS_SECRET_ACCESS_KEY", _text, "", "Secret of the access key.", secret=True),
    Setting(
        "MONGO_URI",
        _url("mongodb", "mongodb+srv"),
        "",
        "MongoDB for the documents, database included; empty keeps them in SQLite.",
        secret=True,
    ),
    Setting("MAX_FILE_SIZE", _size, "5TiB", "Longest content taken."),
    Setting(
        "BODY_TIMEOUT",
        _whole_number(1, 3600),
        "30",
        "Seconds that a client's headers or body may stall before it is dropped.",
    ),
    Setting(
        "GRACEFUL_TIMEOUT",
        _whole_number(0, 86400),
        "30",
        "Seconds that a stop waits for transfers under way.",
    ),
    Setting(
        "BUFFER_BUDGET",
        _size,
        "64MiB",
        "Memory of one process for parts on their way to S3; what finds no room goes to a file.",
    ),
    Setting(
        "EVENT_HORIZON",
        _whole_number(3600, 10**9),
        "604800",
        "Seconds that the tombstone of a removed file is kept.",
    ),
    Setting(
        "EVENTS_TOKEN",
        _token,
        "",
        "What senders of bucket events must know; without it `POST /events/s3` does not exist.",
        secret=True,
    ),
    Setting(
        "EVENTS_ARN",
        _arn,
        "",
        "Target of the bucket's notification that `create_bucket.py` sets; empty leaves it alone.",
    ),
    Setting(
        "BUCKET_OWNER",
        _owner,
        "",
        "Owner of what comes by bucket events; empty leaves it to admins.",
    ),
    Setting(
        "IMAGE_FORMATS",
        _image_formats,
        ",".join(IMAGE_FORMATS),
        "Formats that the image routes accept.",
    ),
    Setting("WEB_CONCURRENCY", _whole_number(1, 64), "2", "Number of server processes."),
    Setting("LOG_LEVEL", _log_level, "INFO", "DEBUG, INFO, WARNING or ERROR."),
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings of one process; `SETTINGS` says what each means. Sizes in bytes."""

    host: str
    port: int
    auth: tuple[str, ...]
    allow_anonymous: bool
    allowed_hosts: tuple[str, ...]
    cors_origins: tuple[str, ...]
    trusted_proxies: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]
    url_prefix: str
    data_dir: Path
    s3_bucket: str
    s3_endpoint_url: str
    s3_public_endpoint_url: str
    s3_region: str
    s3_prefix: str
    aws_access_key_id: str
    aws_secret_access_key: str
    mongo_uri: str
    max_file_size: int
    body_timeout: int
    graceful_timeout: int
    buffer_budget: int
    event_horizon: int
    events_token: str
    events_arn: str
    bucket_owner: str
    image_formats: tuple[str, ...]
    web_concurrency: int
    log_level: str

    @property
    def is_open(self) -> bool:
        """Whether anyone who reaches the service may use it."""
        return self.auth == ("none",)

    def __repr__(self) -> str:
        """Names only: two of the values are secrets, and a URI can hold a third."""
        return f"<Settings for {self.host}:{self.port}>"


def load_settings(environ: Mapping[str, str] | None = None, env_file: Path = ENV_FILE) -> Settings:
    """Read the environment, and behind it `.env`. Raises `InvalidSettings`."""
    environ = os.environ if environ is None else environ
    known = {setting.name for setting in SETTINGS}
    in_file = _read_env_file(env_file)
    for name in in_file:
        if name not in known:
            raise InvalidSettings(f"{env_file.name}: {name} is not a setting")
    texts = {**in_file, **{name: environ[name] for name in known if name in environ}}
    values = {
        setting.name.lower(): _parse(setting, texts.get(setting.name)) for setting in SETTINGS
    }
    values["data_dir"] = Path(values["data_dir"]).absolute()
    settings = Settings(**values)
    _check_together(settings)
    return settings


def _read_env_file(env_file: Path) -> dict[str, str]:
    """The lines of `.env`; one that sets nothing is a mistake, not a comment."""
    if not env_file.is_file():
        return {}
    found: dict[str, str] = {}
    with env_file.open(encoding="utf-8") as lines:
        for binding in parse_stream(lines):
            if binding.error or (binding.key is not None and binding.value is None):
                name = (binding.original.string.split() or ["?"])[0]
                raise InvalidSettings(f"{env_file.name}: {name!r} is not followed by = and a value")
            if binding.key is not None and binding.value is not None:
                found[binding.key] = binding.value
    return found


def _parse(setting: Setting, text: str | None) -> Any:
    text = setting.default if text is None else text.strip()
    try:
        return setting.parse(text)
    except ValueError as error:
        shown = "something else, not shown here" if setting.secret else repr(text)
        raise InvalidSettings(f"{setting.name}: expected {error}, got {shown}") from None


def _check_together(settings: Settings) -> None:
    """What no setting can be told by itself."""
    if bool(settings.aws_access_key_id) != bool(settings.aws_secret_access_key):
        raise InvalidSettings("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: one without the other")
    for name in ("s3_endpoint_url", "s3_public_endpoint_url"):
        if getattr(settings, name) and not settings.s3_bucket:
            raise InvalidSettings(f"{name.upper()}: S3_BUCKET is not set")
    if settings.events_arn and not settings.s3_bucket:
        raise InvalidSettings("EVENTS_ARN: S3_BUCKET is not set")
    if settings.mongo_uri and not urlsplit(settings.mongo_uri).path.strip("/"):
        raise InvalidSettings("MONGO_URI: it names no database, as in mongodb://host/filedrop")
    if settings.is_open and not settings.allow_anonymous and not _is_loopback(settings.host):
        raise InvalidSettings(
            f"HOST: {settings.host!r} is not a loopback address, and anyone who reaches it could "
            "read and delete every file; AUTH=keys asks for keys, ALLOW_ANONYMOUS=1 permits that"
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
