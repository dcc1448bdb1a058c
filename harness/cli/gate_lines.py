"""What `tollbench gate` and the processes of its two sides tell each other, a line of JSON each; it
starts nothing and times nothing.

For a round each side has a process of its own, which may run another tollbench than the gate does.
It is sent Ask and answers Loaded, Serve and answers Ready, Begin and answers Played. At any point
it may answer Refused or Played instead and end, and it ends when its input does. From Serve to
Played it says Alive now and then, between its answers.
"""

from typing import Literal

import msgspec

from harness.flow.model import Role
from harness.record import FlowRow, SpanRow

PROTOCOL = 1
"""Counted up when a message changes its meaning, or a field that was always there goes."""

Side = Literal["base", "head"]
SIDES: tuple[Side, Side] = ("base", "head")

DRAIN_S = 60.0
"""A turn has so long; then, when nothing else is in flight any more, it is cut off."""
ALIVE_S = 5.0
"""From one Alive to the next."""

ROWS = " ".join((*FlowRow.__struct_fields__, *SpanRow.__struct_fields__))
"""How the rows of a spool are laid out here."""


# To a side


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What to play in this round; options are as the user wrote them."""

    protocol: int = PROTOCOL
    side: Side
    other: str
    """The folder of the other side, none of whose code may run; "" where both are one."""
    flow: str
    strategy: str
    round: int
    rounds: int
    turns: int
    """In this round."""
    rate: str
    """Turns/s, both sides together."""
    seed: str
    parameters: list[str] = []
    think_scale: str | None = None
    pay: str | None = None
    models: dict[Role, str] = {}
    gateway: str | None = None
    fallback: str | None = None
    capacity: str | None = None
    drain_s: float = DRAIN_S


class Serve(msgspec.Struct, frozen=True):
    """The mocks of this side, and the file, in a folder that is there, for its rows."""

    base_url: str
    spool: str


class Begin(msgspec.Struct, frozen=True):
    """The origin of the round's times, on the clock that all processes of a machine share."""

    at_s: float


# From a side


class Down(msgspec.Struct, frozen=True):
    """An outage that the scenario is about."""

    role: Role
    from_s: float
    for_s: float


class Loaded(msgspec.Struct, frozen=True, kw_only=True, tag="loaded"):
    """The flow is found. The mocks are to know what it needs of them."""

    protocol: int = PROTOCOL
    rows: str = ROWS
    tool_version: str
    python: str
    """Its version; that of libraries beside it."""
    versions: dict[str, str] = {}
    is_function: bool
    turns_each: int
    """In a conversation."""
    usual_method: str = ""
    roles: list[Role] = []
    outages: list[Down] = []
    parameters: dict[str, float | int | str] = {}
    own_code: bool
    """Whether anything that is loaded lies in the side's folder, but for the flow's own file."""


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """It cannot begin: each reason is a line with its mend."""

    problems: list[str]


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """All is loaded and warm, and the app has booted."""

    now_s: float
    """The time, on the clock that Begin means."""
    plan: str
    """A digest of who is due when, on both sides."""


class Alive(msgspec.Struct, frozen=True, tag="alive"):
    """The loop turns, so an answer may still come."""


class Failure(msgspec.Struct, frozen=True):
    """Calls of that stage that failed for that cause."""

    stage: str
    cause: str
    count: int


class Played(msgspec.Struct, frozen=True, kw_only=True, tag="played"):
    """The last word. The rows are in the file; where a bug, or the gate, ended the round before its
    end, those of the turns that had begun."""

    due: int = 0
    started: int = 0
    finished: int = 0
    failed: int = 0
    running: int = 0
    leaks: int = 0
    fault: str = ""
    failures: list[Failure] = []
    cpu_share: float | None = None
    connections: int | None = None
    calls: int | None = None
    loop_lags_ms: list[float] = []
    own_code: bool = True
    """As in Loaded, of what was loaded by the end."""
    bug: str = ""
    """What ended it, in a line; "" where nothing did."""
    trace: str = ""
    beliefs: msgspec.Raw = msgspec.Raw(b"null")
    """What its app holds of its payments, as a list of harness.books.Belief; null of a function."""
    cut: list[str] = []
    """The intents of turns that were cut off."""


Answer = Loaded | Refused | Ready | Alive | Played
