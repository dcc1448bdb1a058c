"""The two headers between tollbench and its own mocks; no real provider is ever sent one.

`x-tollbench-draw` names the draw that a call is to be served with, so that two strategies meet the
same delay at the same point of a conversation. `x-tollbench-told` is the mock's answer: how long
it meant to take. From it every run on mocks knows its own measurement error.
"""

import re
from math import isfinite

import httpx
import msgspec

DRAW_HEADER = "x-tollbench-draw"
TOLD_HEADER = "x-tollbench-told"

_EXTENSION = "tollbench.draw"
_NUMBER = r"(-?\d{1,15})"
_DRAW = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}\.([!-~]{{1,200}})\.{_NUMBER}", re.ASCII)
# Bounded and plain: mocks write parts of it into headers, logs and journals.


class DrawKey(msgspec.Struct, frozen=True, gc=False):
    """Which call of the whole run this is, apart from the strategy that makes it."""

    round: int
    conversation: int
    turn: int
    stage: str
    attempt: int


class Told(msgspec.Struct, frozen=True, gc=False):
    """Milliseconds the mock meant to take in all, those spent in its queue, and how many secrets
    it found in the prompt."""

    injected_ms: float
    queue_ms: float = 0.0
    leaks: int = 0


def name_draw(request: httpx.Request, key: DrawKey) -> None:
    """Say which draw the request is to be served with, to whoever answers it in this process."""
    request.extensions[_EXTENSION] = key


def write_draw(request: httpx.Request) -> None:
    """Say it on the wire too, if it was said at all."""
    key = request.extensions.get(_EXTENSION)
    if key is not None:
        request.headers[DRAW_HEADER] = encode_draw(key)


def forget_draw(request: httpx.Request) -> None:
    """Say it to nobody: the request goes to somebody real."""
    request.extensions.pop(_EXTENSION, None)
    if DRAW_HEADER in request.headers:
        del request.headers[DRAW_HEADER]


def read_draw(request: httpx.Request) -> DrawKey | None:
    """However it was said. None: a foreign client is served, with draws of the mock's own."""
    key: DrawKey | None = request.extensions.get(_EXTENSION)
    return key or decode_draw(request.headers)


def encode_draw(key: DrawKey) -> str:
    return f"{key.round}.{key.conversation}.{key.turn}.{key.stage}.{key.attempt}"


def decode_draw(headers: httpx.Headers) -> DrawKey | None:
    """None when absent or unreadable."""
    draw = _DRAW.fullmatch(headers.get(DRAW_HEADER, ""))
    if draw is None:
        return None
    round_of, conversation, turn, stage, attempt = draw.groups()
    return DrawKey(int(round_of), int(conversation), int(turn), stage, int(attempt))


def encode_told(told: Told) -> str:
    return f"{told.injected_ms!r},{told.queue_ms!r},{told.leaks}"


def decode_told(headers: httpx.Headers) -> Told | None:
    """None when the other side told nothing, as no real provider does."""
    try:
        injected_ms, queue_ms, leaks = headers[TOLD_HEADER].split(",")
        told = Told(float(injected_ms), float(queue_ms), int(leaks))
    except (KeyError, ValueError):
        return None
    return told if isfinite(told.injected_ms + told.queue_ms) else None
