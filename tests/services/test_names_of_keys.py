"""What a person calls an object that came by the bucket (SPEC section 2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.names import MAX_NAME, UNTITLED, checked_name, name_of_key


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("a.txt", "a.txt"),
        ("docs/a.txt", "a.txt"),
        ("a/b/c", "c"),
        ("a/", "a"),
        ("a//", "a"),
        ("a//b", "b"),
        ("/a", "a"),
        ("a\\b", "b"),
        ("a\\", "a"),
        ("a/b\\", "b"),
        ("/", UNTITLED),
        ("\\//", UNTITLED),
        ("", UNTITLED),
        (".", UNTITLED),
        ("a/..", UNTITLED),
        ("a/../", UNTITLED),
        ("...", "..."),
        (" ", " "),
        (" a ", " a "),
        (".hidden", ".hidden"),
        ("a\nb", "a_b"),
        ("\x00\x1f\x7f\x80\x9f", "_____"),
        ("a\u202egpj.exe", "a_gpj.exe"),
        ("\u2066a\u2069", "_a_"),
        ("a\ud800b", "a_b"),
        ("Grüße, 世界 😀.txt", "Grüße, 世界 😀.txt"),
        ("u\u0308", "u\u0308"),
        ("x" * 255, "x" * 255),
        ("x" * 256, "x" * 255),
        ("x" * 300 + ".jpeg", "x" * 250 + ".jpeg"),
        ("😀" * 256, "😀" * 255),
        ("x" * 300 + "." + "y" * 300, "x" * 223 + "." + "y" * 31),
        ("x" * 253 + ".tar.gz", "x" * 252 + ".gz"),
        ("a" * 300 + "/b", "b"),
    ],
)
def test_the_name_of_a_key(key: str, name: str) -> None:
    assert name_of_key(key) == name


@given(st.text(st.characters()) | st.text("./\\\x00a\u202e", max_size=600))
def test_every_key_has_a_name_that_is_allowed(key: str) -> None:
    name = name_of_key(key)
    assert checked_name(name) == name
    assert len(name) <= MAX_NAME
    assert name_of_key(name) == name
