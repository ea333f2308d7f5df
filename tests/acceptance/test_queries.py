"""Every malformed query of GET /files is a 400 (SPEC 3)."""

import pytest

from .checks import assert_error, assert_status
from .client import Client

VALID = {
    "limit": "10",
    "file_name": "a",
    "file_type": "image/png",
    "source": "api",
    "created_after": "2026-01-01T00:00:00Z",
    "created_before": "2026-01-01T00:00:00Z",
    "min_size": "1",
    "max_size": "1",
    "sort": "file_name",
    "metadata.run": "a",
}
NOT_UTF8 = ["%FF", "%C3", "%C0%AF", "%ED%A0%80", "%F4%90%80%80", "a%80b"]
NUMBERS = [
    "", "abc", "-1", "1.5", "1e3", "0x10", "1_0", "%D9%A3", "%EF%BC%91", "%2010", "+10", "10%20",
    "10%00", "NaN", "null", "true", "%7B%22$ne%22:null%7D", "--1", "1,2",
]  # fmt: skip
TIMES = [
    "",
    "yesterday",
    "now",
    "0",
    "1767225600",
    "2026",
    "2026-01",
    "2026-13-01T00:00:00Z",
    "2026-00-01T00:00:00Z",
    "2026-02-30T00:00:00Z",
    "2026-01-01T25:00:00Z",
    "2026-01-01T00:60:00Z",
    "2026-01-01T00:00:00",
    "2026-01-01T00:00Z",
    "2026-01-01T00:00:00%2B25:00",
    "2026-01-01T00:00:00ZZ",
    "99999-01-01T00:00:00Z",
    "-2026-01-01T00:00:00Z",
    "2026-W01-1T00:00:00Z",
    "2026-01-01T00:00:00.Z",
    "%D9%A2%D9%A0%D9%A2%D9%A6-01-01T00:00:00Z",
    "Thu,%2001%20Jan%202026%2000:00:00%20GMT",
    "%7B%22$gt%22:%22%22%7D",
]
SORTS = [
    "", "-", "--file_name", "%2Bfile_name", "name", "owner", "metadata", "metadata.run", "sha256",
    "revision", "FILE_NAME", "file_name,file_size", "file_name%20desc", "$natural", "_id",
    "file_name%00",
]  # fmt: skip
UNKNOWN = [
    "foo=1", "foo", "Limit=1", "LIMIT=1", "offset=1", "page=2", "owner=a", "state=x", "name=a",
    "file_name[$ne]=a", "file_name%5B%5D=a", "$where=1", "min_size[]=1", "metadata=a",
    "metadata.=a",
    "metadata.$ne=a", "metadata.a.b=a", "metadata.KEY=a", "metadata.a%20b=a", "metadata.%C3%BC=a",
    f"metadata.{'k' * 65}=a", "Metadata.run=a", "metadata%00.run=a", "cursor%5B%5D=a", "=a",
    "file_id=01890a5d-ac96-774b-bcce-b302099a8057",
]  # fmt: skip


@pytest.mark.parametrize("name", VALID)
def test_the_valid_query_is_answered(client: Client, name: str) -> None:
    assert_status(client.get(f"/files?{name}={VALID[name]}"), 200)


@pytest.mark.parametrize("limit", ["1", "2", "999", "1000"])
def test_limits_from_1_to_1000_are_answered(client: Client, limit: str) -> None:
    assert len(assert_status(client.get(f"/files?limit={limit}"), 200).json()) <= int(limit)


@pytest.mark.parametrize("name", [*VALID, "cursor"])
def test_a_parameter_stands_once(client: Client, name: str) -> None:
    value = VALID.get(name, "a")
    assert_error(client.get(f"/files?{name}={value}&{name}={value}"), 400)


@pytest.mark.parametrize("name", [*VALID, "cursor"])
def test_a_parameter_stands_once_however_it_is_encoded(client: Client, name: str) -> None:
    value, first = VALID.get(name, "a"), f"%{ord(name[0]):02X}{name[1:]}"
    with client.wire() as wire:
        wire.request("GET", f"/files?{name}={value}&{first}={value}")
        assert_error(wire.answer(), 400)


@pytest.mark.parametrize("query", UNKNOWN)
def test_an_unknown_parameter_is_refused(client: Client, query: str) -> None:
    assert_error(client.get(f"/files?{query}"), 400)
    assert_error(client.get(f"/files?limit=1&{query}"), 400)


@pytest.mark.parametrize("name", [*VALID, "cursor"])
@pytest.mark.parametrize("value", NOT_UTF8)
def test_a_value_that_is_not_utf8_is_refused(client: Client, name: str, value: str) -> None:
    assert_error(client.get(f"/files?{name}={value}"), 400)


@pytest.mark.parametrize("value", NOT_UTF8)
def test_a_name_that_is_not_utf8_is_refused(client: Client, value: str) -> None:
    assert_error(client.get(f"/files?{value}=1"), 400)
    assert_error(client.get(f"/files?metadata.{value}=1"), 400)


@pytest.mark.parametrize("value", [*NUMBERS, "0", "1001", "00", "99999999999999999999", "9" * 5000])
def test_a_bad_limit_is_refused(client: Client, value: str) -> None:
    assert_error(client.get(f"/files?limit={value}"), 400)


@pytest.mark.parametrize("name", ["min_size", "max_size"])
@pytest.mark.parametrize("value", NUMBERS)
def test_a_bad_size_is_refused(client: Client, name: str, value: str) -> None:
    assert_error(client.get(f"/files?{name}={value}"), 400)


@pytest.mark.parametrize("name", ["min_size", "max_size"])
@pytest.mark.parametrize("value", [2**63 - 1, 2**63, 2**64, 10**30, "9" * 5000], ids=str)
def test_a_size_beyond_64_bits_breaks_nothing(client: Client, name: str, value: int | str) -> None:
    assert_status(client.get(f"/files?{name}={value}&limit=1"), 200, 400)


@pytest.mark.parametrize("name", ["created_after", "created_before"])
@pytest.mark.parametrize("value", TIMES)
def test_a_bad_time_is_refused(client: Client, name: str, value: str) -> None:
    assert_error(client.get(f"/files?{name}={value}"), 400)


@pytest.mark.parametrize("value", SORTS)
def test_a_bad_sort_is_refused(client: Client, value: str) -> None:
    assert_error(client.get(f"/files?sort={value}"), 400)


@pytest.mark.parametrize("value", ["", "x", "API", "api,s3", "*", "S3", "%7B%22$ne%22:null%7D"])
def test_a_bad_source_is_refused(client: Client, value: str) -> None:
    assert_error(client.get(f"/files?source={value}"), 400)


ODD = [
    "file_name=", "file_name=%00", "file_name=" + "a" * 1000, "file_name=%0A", "file_name=%zz",
    "file_type=", "file_type=*", "file_type=*/*", "file_type=image", "file_type=image/",
    "file_type=*/png", "file_type=%00/%00", "metadata.run=", "metadata.run=%00",
    "metadata.run=" + "a" * 3000, "min_size=5&max_size=1", "&", "&&limit=1&&", "?limit=1",
    "created_after=2026-06-30T23:59:60Z", "created_after=2026-01-01t00:00:00z",
    "created_after=2026-01-01", "created_after=2026-01-01%2000:00:00Z",
    "created_after=0001-01-01T00:00:00%2B23:59", "created_before=9999-12-31T23:59:59-23:59",
    "limit=010", "min_size=007",
]  # fmt: skip


@pytest.mark.parametrize("query", ODD, ids=lambda query: query[:40])
def test_an_odd_query_is_answered_or_refused_but_breaks_nothing(client: Client, query: str) -> None:
    answer = client.get(f"/files?{query}")
    if assert_status(answer, 200, 400).status == 400:
        assert_error(answer, 400)
