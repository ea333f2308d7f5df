"""Every setting: its default, what it takes, and the one line that refuses what it does not."""

import dataclasses
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path

import pytest

from config import (
    GIB,
    IMAGE_FORMATS,
    KIB,
    MIB,
    SETTINGS,
    TIB,
    InvalidSettings,
    Settings,
    load_settings,
)

NAMES = [setting.name for setting in SETTINGS]
SECRET = "hunter2-is-a-secret"

# setting -> texts and what they mean; the first is the default
GOOD: dict[str, list[tuple[str, object]]] = {
    "HOST": [("127.0.0.1", "127.0.0.1"), ("localhost", "localhost"), ("::1", "::1")],
    "PORT": [("8000", 8000), ("1", 1), ("65535", 65535), (" 80 ", 80)],
    "AUTH": [("none", ("none",)), ("keys", ("keys",))],
    "ALLOW_ANONYMOUS": [("0", False), ("1", True), ("", False)],
    "ALLOWED_HOSTS": [("", ()), ("App, files.example,::1", ("app", "files.example", "::1"))],
    "CORS_ORIGINS": [
        ("", ()),
        ("https://A.example,http://b:81", ("https://a.example", "http://b:81")),
    ],
    "TRUSTED_PROXIES": [
        ("", ()),
        ("10.0.0.0/8,::1", (ip_network("10.0.0.0/8"), ip_network("::1"))),
    ],
    "URL_PREFIX": [("", ""), ("/prod", "/prod"), ("/a/b-c_d.e~1", "/a/b-c_d.e~1")],
    "DATA_DIR": [("./data", Path("data").absolute()), ("/var/lib", Path("/var/lib"))],
    "S3_BUCKET": [("", ""), ("abc", "abc"), ("a.b-9", "a.b-9"), ("a" * 63, "a" * 63)],
    "S3_ENDPOINT_URL": [("", ""), ("http://h:9000", "http://h:9000"), ("https://h/", "https://h")],
    "S3_PUBLIC_ENDPOINT_URL": [("", ""), ("https://files.example", "https://files.example")],
    "S3_REGION": [("us-east-1", "us-east-1"), ("eu-central-1", "eu-central-1")],
    "S3_PREFIX": [("file-drop", "file-drop"), ("a/b_c.d", "a/b_c.d")],
    "AWS_ACCESS_KEY_ID": [("", ""), ("key", "key")],
    "AWS_SECRET_ACCESS_KEY": [("", ""), (SECRET, SECRET)],
    "MONGO_URI": [
        ("", ""),
        ("mongodb://h/drop", "mongodb://h/drop"),
        ("mongodb+srv://u:p@h/drop?w=1", "mongodb+srv://u:p@h/drop?w=1"),
        ("mongodb://a:1,b:2/drop", "mongodb://a:1,b:2/drop"),
    ],
    "MAX_FILE_SIZE": [
        ("5TiB", 5 * TIB),
        ("1", 1),
        ("5B", 5),
        ("5 KiB", 5 * KIB),
        ("64MiB", 64 * MIB),
        ("2GiB", 2 * GIB),
    ],
    "BODY_TIMEOUT": [("30", 30), ("1", 1), ("3600", 3600)],
    "GRACEFUL_TIMEOUT": [("30", 30), ("0", 0), ("86400", 86400)],
    "BUFFER_BUDGET": [("64MiB", 64 * MIB), ("1", 1)],
    "EVENT_HORIZON": [("604800", 604800), ("3600", 3600)],
    "EVENTS_TOKEN": [("", ""), (SECRET, SECRET), ("!~:=/+", "!~:=/+")],
    "EVENTS_ARN": [
        ("", ""),
        ("arn:minio:sqs::FILEDROP:webhook", "arn:minio:sqs::FILEDROP:webhook"),
        ("arn:aws:lambda:eu-west-1:1:function:f", "arn:aws:lambda:eu-west-1:1:function:f"),
        ("arn:aws-cn:sns:cn-north-1:1:t", "arn:aws-cn:sns:cn-north-1:1:t"),
    ],
    "BUCKET_OWNER": [("", ""), ("alice@example.com", "alice@example.com")],
    "IMAGE_FORMATS": [
        ("AVIF,BMP,GIF,JPEG,PNG,TIFF,WEBP", IMAGE_FORMATS),
        ("png", ("PNG",)),
        ("JPEG, png,JPEG", ("JPEG", "PNG")),
    ],
    "WEB_CONCURRENCY": [("2", 2), ("64", 64)],
    "LOG_LEVEL": [("INFO", "INFO"), ("DEBUG", "DEBUG")],
}
# What a value needs beside it.
COMPANY = {
    "S3_ENDPOINT_URL": {"S3_BUCKET": "bucket"},
    "S3_PUBLIC_ENDPOINT_URL": {"S3_BUCKET": "bucket"},
    "EVENTS_ARN": {"S3_BUCKET": "bucket"},
    "AWS_ACCESS_KEY_ID": {"AWS_SECRET_ACCESS_KEY": "other"},
    "AWS_SECRET_ACCESS_KEY": {"AWS_ACCESS_KEY_ID": "other"},
}
BAD: dict[str, list[str]] = {
    "HOST": ["0.0.0.0", "::", "example.com", "192.168.0.1", "", "127.0.0.1.example.com"],
    "PORT": ["", "0", "65536", "-1", "80a", "8_0", "٨٠", "1e3", "0x50"],
    "ALLOW_ANONYMOUS": ["yes", "true", "2", "on"],
    "URL_PREFIX": ["prod", "/", "/prod/", "//a", "/a b", "/ä", "/a?b", "/<x>"],
    "S3_BUCKET": ["ab", "UPPER", "a_b", "-ab", "ab-", "a" * 64, "a b", "a/b"],
    "S3_ENDPOINT_URL": ["h:9000", "ftp://h", "http://", "//h", "http://[x"],
    "S3_PUBLIC_ENDPOINT_URL": ["h", "mongodb://h"],
    "S3_PREFIX": ["", "/a", "a/", "a//b", "a b", "ä", "a?"],
    "MONGO_URI": ["h/drop", "http://h/drop", "mongodb://", "mongodb://h", "mongodb://h/"],
    "MAX_FILE_SIZE": ["", "0", "-1", "1.5GiB", "64MB", "1k", "6TiB", "5PiB", "KiB"],
    "BODY_TIMEOUT": ["", "0", "3601", "30s"],
    "GRACEFUL_TIMEOUT": ["", "-1", "86401"],
    "BUFFER_BUDGET": ["", "0", "lots"],
    "EVENT_HORIZON": ["", "3599", "1000000001"],
    "EVENTS_TOKEN": ["a b", "ä", "a\x7f"],
    "EVENTS_ARN": ["webhook", "arn:minio:sqs", "arn:aws:s3:::bucket", "arn:minio:sqs::F: w"],
    "IMAGE_FORMATS": ["", ",", "PNG,", "PDF", "PNG;GIF", "image/png"],
    "AUTH": ["", "oidc", "none,keys", "key", "KEYS"],
    "ALLOWED_HOSTS": ["http://app", "app:8000", "a b", "*"],
    "CORS_ORIGINS": ["*", "null", "app.example", "https://app.example/", "https://a b"],
    "TRUSTED_PROXIES": ["proxy", "10.0.0.1/8", "10.0.0.256", "*"],
    "BUCKET_OWNER": ["a b", "-a", "a" * 65, "ä"],
    "WEB_CONCURRENCY": ["", "0", "65", "two"],
    "LOG_LEVEL": ["", "info", "TRACE"],
}
ANYTHING = {"DATA_DIR", "S3_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}

Write = Callable[[str], Path]


@pytest.fixture
def env_file(tmp_path: Path) -> Write:
    def write(text: str) -> Path:
        path = tmp_path / ".env"
        path.write_text(text)
        return path

    return write


def load(environ: dict[str, str], env_file: Path = Path("/nonexistent/.env")) -> Settings:
    return load_settings(environ, env_file)


def refusal(environ: dict[str, str], env_file: Path = Path("/nonexistent/.env")) -> str:
    with pytest.raises(InvalidSettings) as raised:
        load(environ, env_file)
    line = str(raised.value)
    assert "\n" not in line and "\r" not in line
    return line


def test_the_tables_here_are_complete() -> None:
    assert list(GOOD) == NAMES
    assert set(BAD) == set(NAMES) - ANYTHING
    assert [field.name.upper() for field in dataclasses.fields(Settings)] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_default(name: str) -> None:
    text, value = GOOD[name][0]
    (setting,) = [setting for setting in SETTINGS if setting.name == name]
    assert setting.default == text
    assert getattr(load({}), name.lower()) == value


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [(name, text, value) for name, pairs in GOOD.items() for text, value in pairs],
)
def test_a_value(name: str, text: str, value: object, env_file: Write) -> None:
    company = COMPANY.get(name, {}) if text else {}
    assert getattr(load({name: text, **company}), name.lower()) == value
    in_file = "".join(f"{key}='{text}'\n" for key, text in {name: text, **company}.items())
    assert getattr(load({}, env_file(in_file)), name.lower()) == value


@pytest.mark.parametrize(
    ("name", "text"), [(name, text) for name, texts in BAD.items() for text in texts]
)
def test_a_malformed_value(name: str, text: str, env_file: Write) -> None:
    company = COMPANY.get(name, {})
    assert refusal({name: text, **company}).startswith(f"{name}: ")
    in_file = "".join(f"{key}='{text}'\n" for key, text in {name: text, **company}.items())
    assert refusal({}, env_file(in_file)).startswith(f"{name}: ")


@pytest.mark.parametrize("name", BAD)
def test_a_value_of_two_lines_is_refused_in_one(name: str) -> None:
    assert name in refusal({name: "bad\nvalue", **COMPANY.get(name, {})})


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"AWS_ACCESS_KEY_ID": "key"}, ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]),
        ({"AWS_SECRET_ACCESS_KEY": SECRET}, ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]),
        ({"S3_ENDPOINT_URL": "http://h"}, ["S3_ENDPOINT_URL", "S3_BUCKET"]),
        ({"S3_PUBLIC_ENDPOINT_URL": "http://h"}, ["S3_PUBLIC_ENDPOINT_URL", "S3_BUCKET"]),
        ({"EVENTS_ARN": "arn:minio:sqs::F:webhook"}, ["EVENTS_ARN", "S3_BUCKET"]),
        ({"HOST": "0.0.0.0"}, ["HOST", "ALLOW_ANONYMOUS"]),
    ],
)
def test_half_given(environ: dict[str, str], named: list[str]) -> None:
    line = refusal(environ)
    assert all(name in line for name in named)


def test_any_address_where_anonymous_users_are_allowed() -> None:
    assert load({"HOST": "0.0.0.0", "ALLOW_ANONYMOUS": "1"}).host == "0.0.0.0"


# --- .env ----------------------------------------------------------------------------------


def test_the_environment_goes_before_the_file(env_file: Write) -> None:
    path = env_file("PORT=9001\nS3_REGION=eu-west-1\n")
    settings = load({"PORT": "9002"}, path)
    assert (settings.port, settings.s3_region) == (9002, "eu-west-1")


def test_what_else_is_in_the_environment_does_not_matter() -> None:
    assert load({"PATH": "/bin", "port": "1", "SETTING": "x"}) == load({})


@pytest.mark.parametrize(
    "name", ["UNKNOWN", "port", "S3_BUCKETS", "OWNER", "AUTHENTICATION", "MONGO_URL"]
)
def test_an_unknown_name_in_the_file(name: str, env_file: Write) -> None:
    line = refusal({}, env_file(f"PORT=9000\n{name}={SECRET}\n"))
    assert name in line and SECRET not in line


def test_an_empty_file(env_file: Write) -> None:
    assert load({}, env_file("# nothing\n\n")) == load({})


def test_a_dollar_is_a_character(env_file: Write) -> None:
    path = env_file("AWS_ACCESS_KEY_ID=a\nAWS_SECRET_ACCESS_KEY='x${HOME}$y'\n")
    assert load({}, path).aws_secret_access_key == "x${HOME}$y"


@pytest.mark.parametrize("line", ["PORT", "PORT 9000", "PORT: 9000"])
def test_a_line_that_sets_nothing(line: str, env_file: Write) -> None:
    """It looks as if the port were set, and it is not."""
    assert "PORT" in refusal({}, env_file(f"{line}\n"))


# --- secrets -------------------------------------------------------------------------------

WITH_SECRETS = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "EVENTS_TOKEN": SECRET,
    "MONGO_URI": f"mongodb://user:{SECRET}@host/drop",
    "S3_BUCKET": "bucket",
    "S3_ENDPOINT_URL": f"http://user:{SECRET}@host",
}


def test_settings_show_no_secret() -> None:
    settings = load(WITH_SECRETS)
    for text in (repr(settings), str(settings), f"{settings}", f"{[settings]}"):
        assert SECRET not in text


@pytest.mark.parametrize(
    "environ",
    [
        {"PORT": "x"},
        {"HOST": "0.0.0.0"},
        {"AWS_ACCESS_KEY_ID": ""},
        {"MONGO_URI": f"mongodb://user:{SECRET}@host"},
        {"MONGO_URI": f"mongo://user:{SECRET}@host/drop"},
        {"MONGO_URI": f"user:{SECRET}@host/drop"},
        {"EVENTS_TOKEN": f"{SECRET} {SECRET}"},
        {"S3_BUCKET": ""},
        {"S3_ENDPOINT_URL": f"ftp://user:{SECRET}@host"},
        {"S3_PUBLIC_ENDPOINT_URL": f"//user:{SECRET}@host"},
    ],
)
def test_no_refusal_shows_a_secret(environ: dict[str, str]) -> None:
    assert SECRET not in refusal({**WITH_SECRETS, **environ})


def test_settings_do_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        load({}).port = 1  # type: ignore[misc]
