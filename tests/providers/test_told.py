"""The two headers between the instrument and its mocks: exact both ways, and garbage is None."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.providers.told import (
    DRAW_HEADER,
    TOLD_HEADER,
    DrawKey,
    Told,
    decode_draw,
    decode_told,
    encode_draw,
    encode_told,
)

keys = st.builds(
    DrawKey,
    st.integers(-1, 10**6),
    st.integers(0, 10**9),
    st.integers(0, 10**6),
    st.from_regex(r"[A-Za-z0-9_.-]+", fullmatch=True),
    st.integers(1, 99),
)
tolds = st.builds(
    Told,
    st.floats(allow_nan=False, allow_infinity=False, min_value=0, max_value=1e300),
    st.floats(allow_nan=False, allow_infinity=False, min_value=0, max_value=1e300),
    st.integers(0, 10**6),
)


@given(keys)
def test_a_draw_key_survives_its_header_even_with_dots_in_the_stage(key: DrawKey) -> None:
    assert decode_draw(httpx.Headers({DRAW_HEADER: encode_draw(key)})) == key


@given(tolds)
def test_what_was_told_survives_its_header_to_the_last_bit(told: Told) -> None:
    assert decode_told(httpx.Headers({TOLD_HEADER: encode_told(told)})) == told


def test_the_headers_are_spelled_so() -> None:
    assert encode_draw(DrawKey(2, 30, 4, "pay", 1)) == "2.30.4.pay.1"
    assert encode_told(Told(12.345, 0.5, 3)) == "12.345,0.5,3"


@pytest.mark.parametrize(
    "text", [None, "", "1", "1.2.3.pay", "1.2.3", "a.2.3.pay.1", "1.2.3.pay.x"]
)
def test_an_unreadable_draw_key_is_none(text: str | None) -> None:
    assert decode_draw(httpx.Headers({} if text is None else {DRAW_HEADER: text})) is None


@pytest.mark.parametrize(
    "text",
    [None, "", "1.0", "1.0,2.0", "1.0,2.0,3,4", "a,2.0,3", "1.0,2.0,x", "nan,0.0,0", "1,inf,0"],
)
def test_what_was_told_unreadably_is_none(text: str | None) -> None:
    assert decode_told(httpx.Headers({} if text is None else {TOLD_HEADER: text})) is None


@given(st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0")))
def test_garbage_never_raises(text: str) -> None:
    raw = text.encode("latin-1")
    headers = httpx.Headers([(DRAW_HEADER.encode(), raw), (TOLD_HEADER.encode(), raw)])
    decode_draw(headers)
    decode_told(headers)
