"""Tokens in links: what opens, and what does not."""

import re
import time

from hypothesis import given
from hypothesis import strategies as st

from circulation import links

KEY, LATER = b"k" * 32, 4_000_000_000
NAMES = st.binary(min_size=16, max_size=16).map(links._text)


@given(NAMES, st.integers(0, 2**32 - 1))
def test_a_token_opens_until_its_second_and_is_forty_characters_of_an_address(name: str, expires: int) -> None:
    token = links.path(KEY, name, expires)
    assert re.fullmatch(r"[A-Za-z0-9_-]{40}", token)
    assert links.open_token(KEY, token, expires - 1) == name
    assert links.open_token(KEY, token, expires) is None
    assert links.open_token(b"x" * 32, token, 0) is None


@given(NAMES, st.integers(0, 39), st.sampled_from("ABCxyz019-_"))
def test_a_token_with_another_character_does_not_open(name: str, place: int, character: str) -> None:
    token = links.path(KEY, name, LATER)
    changed = token[:place] + character + token[place + 1 :]
    assert (links.open_token(KEY, changed, time.time()) is None) == (changed != token)


@given(st.text(max_size=60))
def test_no_other_text_opens_or_fails(text: str) -> None:
    assert links.open_token(KEY, text) is None
