"""What the generator is asked to do and what it tells, as JSON between two processes; it holds data
alone."""

from typing import Literal

import msgspec

Kind = Literal["json", "stream"]
"""Whether an answer comes as a whole or as events."""

KINDS: tuple[Kind, ...] = ("json", "stream")

DIRECT = "direct"
"""The way without a gateway."""


class Way(msgspec.Struct, frozen=True):
    """Where to ask for an answer of the upstream, and what has to be sent along."""

    name: str
    url: str
    headers: dict[str, str]


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """Requests that go one way at once: so many at a steady rate whatever the answers do, or, with
    `in_flight`, for so many seconds as many as are answered."""

    way: str
    rate: float = 0.0
    requests: int = 0
    in_flight: int = 0
    seconds: float = 0.0


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Blocks in the order in which they are to be played."""

    ways: list[Way]
    kind: Kind
    blocks: list[Block]
    warm: int
    """Requests each way, all at once and that twice, that do not count."""
    patience_s: float


class Took(msgspec.Struct, frozen=True):
    """One answer: milliseconds since the request was due, and what the gateway says that it added,
    if it says so."""

    first_ms: float
    total_ms: float
    own_ms: float | None = None


class Played(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a block, its answers in the order of their requests."""

    way: str
    seconds: float
    """From the first due time to the last, or the time in which answers counted."""
    sent: int
    took: list[Took]
    failed: int
    why: str = ""
    """Of the first that failed."""
    most_in_flight: int
    late_ms: float
    """How late the generator itself sent a request, the 99th percentile."""
