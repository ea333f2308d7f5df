"""Names in headers: what an upload's Content-Disposition says, and what a download's does."""

from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.http import parse_options_header

from errors import ApiError
from services.names import checked_name
from tests.http.service import Service

GIVEN = {
    "attachment; filename=a.txt": "a.txt",
    'attachment; filename="a b.txt"': "a b.txt",
    'attachment; filename="a \\"b\\".txt"': 'a "b".txt',
    "attachment; filename*=UTF-8''gr%C3%BCn.txt": "grün.txt",
    "attachment; filename*=utf-8'en'a.txt": "a.txt",
    "attachment; filename*=ISO-8859-1''gr%FCn.txt": "grün.txt",
    "attachment; filename*=UTF-8''new.txt; filename=old.txt": "new.txt",
    "attachment; filename=old.txt; filename*=UTF-8''new.txt": "new.txt",
    'ATTACHMENT; FileName = "a.txt" ': "a.txt",
    'attachment; filename="C:\\\\dir\\\\a.txt"': "a.txt",
    'attachment; filename="/etc/passwd"': "passwd",
    'attachment; filename="grün.txt"'.encode().decode("latin-1"): "grün.txt",
    'attachment; filename=""': "by-query",
    'attachment; size=5; filename="a.txt"': "a.txt",
    'attachment; name="x"': "by-query",
    "attachment": "by-query",
    'attachment; filename="a;b=c.txt"': "a;b=c.txt",
}


@pytest.mark.parametrize(("header", "name"), GIVEN.items())
def test_the_name_of_a_raw_upload(service: Service, header: str, name: str) -> None:
    made = service.upload(name="by-query", headers={"Content-Disposition": header})
    assert made["file_name"] == name


def good(name: str) -> bool:
    try:
        return bool(checked_name(name))
    except ApiError:
        return False


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(name=st.text(min_size=1, max_size=30).filter(good))
def test_any_name_comes_back_in_the_header(service: Service, name: str) -> None:
    """`filename*` as RFC 8187 has it, and a `filename` in ASCII for those who know no better."""
    header = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
    made = service.upload(b"", headers={"Content-Disposition": header})
    assert made["file_name"] == name
    answer = service.client.head(f"/files/{made['file_id']}")
    disposition = answer.headers["Content-Disposition"]
    assert disposition.isascii() and "\n" not in disposition
    kind, parameters = parse_options_header(disposition)
    assert (kind, parameters["filename"]) == ("attachment", name)


@pytest.mark.parametrize(
    ("name", "content", "inline", "policy"),
    [
        ("a.txt", b"text", True, "sandbox"),
        ("a.png", b"\x89PNG\r\n\x1a\n" + bytes(24), True, "sandbox"),
        ("a.pdf", b"%PDF-1.7", True, "default-src 'none'; frame-ancestors 'self'"),
        ("a.html", b"<script>", False, None),
        ("a.svg", b"<svg/>", False, None),
        ("a.js", b"alert()", False, None),
        ("a.xml", b"<x/>", False, None),
        ("a.bin", b"\0\1", False, None),
    ],
)
def test_only_what_cannot_run_is_shown(
    service: Service, name: str, content: bytes, inline: bool, policy: str | None
) -> None:
    made = service.upload(content, name, "application/octet-stream")
    for query, shown in (("", False), ("?inline=0", False), ("?inline=1", inline)):
        headers = service.client.head(f"/files/{made['file_id']}{query}").headers
        assert headers["Content-Disposition"].partition(";")[0] == (
            "inline" if shown else "attachment"
        )
        assert headers.get("Content-Security-Policy") == (policy if shown else None)
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_no_redirect_where_the_store_gives_no_url(service: Service) -> None:
    answer = service.client.get(f"/files/{service.upload()['file_id']}?redirect=1")
    assert (answer.status_code, answer.data) == (200, b"0123456789")
    answer.close()
