import pytest
from hypothesis import given
from hypothesis import strategies as st

from errors import ApiError
from services.names import MAX_METADATA, checked_metadata, checked_name, folded, name_of_path

GOOD_NAMES = [
    "a",
    "a.txt",
    "...",
    ".hidden",
    " ",
    "Grüße, 世界 😀.txt",
    "x" * 255,
    "😀" * 255,
    'quote " percent % semicolon ;',
    "\u200d joined",
    "e\u0301",
    "\ufeff",
    "\u200e left-to-right mark",
    "CON",
]
BAD_NAMES = {
    "empty": "",
    "too long": "x" * 256,
    "dot": ".",
    "dots": "..",
    "slash": "a/b",
    "backslash": "a\\b",
    "nul": "a\0b",
    "newline": "a\n",
    "escape": "\x1b[0m",
    "delete": "a\x7f",
    "C1 control": "a\x85",
    "high C1 control": "\x9f",
    "override": "a\u202egpj.exe",
    "embedding": "\u202aa",
    "isolate": "\u2066a",
    "pop isolate": "a\u2069",
    "lone surrogate": "a\ud800",
    "low surrogate": "\udfff",
    "number": 1,
    "null": None,
    "list": ["a"],
    "operator": {"$ne": None},
}


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_a_good_name_is_itself(name: str) -> None:
    assert checked_name(name) == name


@pytest.mark.parametrize("name", BAD_NAMES.values(), ids=BAD_NAMES)
def test_a_bad_name_is_refused(name: object) -> None:
    with pytest.raises(ApiError) as raised:
        checked_name(name)
    assert (raised.value.code, raised.value.status) == ("invalid_file_name", 400)
    raised.value.sentence.encode()


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a.txt", "a.txt"),
        ("/etc/passwd", "passwd"),
        ("../../a", "a"),
        ("C:\\Users\\me\\a.txt", "a.txt"),
        ("mixed\\up/a", "a"),
        ("", None),
        ("folder/", None),
        ("folder\\", None),
        ("/", None),
    ],
)
def test_the_last_segment_of_a_path(path: str, name: str | None) -> None:
    assert name_of_path(path) == name


@pytest.mark.parametrize("path", ["..", "a/..", "a/.", "a/b\0", "/" + "x" * 256])
def test_a_path_to_a_bad_name(path: str) -> None:
    with pytest.raises(ApiError, match=r"^The file name must "):
        name_of_path(path)


@pytest.mark.parametrize(
    ("name", "searched"),
    [
        ("README", "readme"),
        ("STRASSE", "straße"),
        ("Ärger", "A\u0308RGER"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("ǰ", "j\u030c"),
        ("ﬁle", "FILE"),
        ("İ", "i\u0307"),
    ],
)
def test_names_that_are_the_same_to_a_search(name: str, searched: str) -> None:
    assert folded(name) == folded(searched)


@given(st.text())
def test_folding_twice_is_folding_once(name: str) -> None:
    assert folded(folded(name)) == folded(name)


GOOD_METADATA: list[dict[str, str]] = [
    {},
    {"a": ""},
    {"k" * 64: "v"},
    {"a-b_9": "ü 😀"},
    {"a": "v" * (MAX_METADATA - 1)},
    {"a": "ü" * 1023, "b": ""},
]


@pytest.mark.parametrize("metadata", GOOD_METADATA)
def test_good_metadata_is_itself(metadata: dict[str, str]) -> None:
    assert checked_metadata(metadata) == metadata


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        [],
        "a",
        1,
        {"": "v"},
        {"k" * 65: "v"},
        {"Upper": "v"},
        {"a.b": "v"},
        {"$ne": "v"},
        {"ä": "v"},
        {"a\n": "v"},
        {"a": 1},
        {"a": None},
        {"a": {"$ne": None}},
        {"a": ["v"]},
        {"a": "\ud800"},
        {"a": "b\0c"},
        {"a": "v" * MAX_METADATA},
        {"a": "ü" * 1024},
        {f"k{n:03}": "v" * 10 for n in range(150)},
    ],
)
def test_bad_metadata_is_refused(metadata: object) -> None:
    with pytest.raises(ApiError) as raised:
        checked_metadata(metadata)
    assert (raised.value.code, raised.value.status) == ("invalid_metadata", 400)
    raised.value.sentence.encode()
