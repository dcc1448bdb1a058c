"""What the processes of a run that Locust conducts tell each other; it opens no pipe.

There are three kinds of them: Locust's own, which conducts; an engine beside each worker, which
makes the load and measures it; and a collector beside the master, which stores the run. A frame is
four bytes with the length of the rest, little-endian, and the rest as MessagePack.
"""

from collections.abc import Iterator

import msgspec

from harness.reconciled import ReconciliationSummary

PREFIX = 4


# To an engine. Its first frame is the Begin of harness.cli.engine.


class Go(msgspec.Struct, frozen=True, tag="go"):
    """The origin of all times lies so many seconds after this was read. Sent once it is ready."""

    in_s: float


class Step(msgspec.Struct, frozen=True, tag="step"):
    """The schedule from `from_s` on, in seconds since the origin: so many turns/s, of all engines
    together. Of the conversations that are due then, this engine plays those whose number has the
    remainder `share` when divided by `of`; none where `of` is 0.

    It is sent before it begins, so all engines change at the same conversation. Each engine is told
    every step, also those in which it has no share: when a conversation is due hangs on all rates
    before. So one that joins later is first told all earlier steps, with `of` 0.
    """

    from_s: float
    rate: float
    share: int
    of: int


class Stop(msgspec.Struct, frozen=True, tag="stop"):
    """Begin nothing more, end when all has ended, and account for it."""


Order = Go | Step | Stop


# From an engine


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """All is loaded, the app has booted, and the first connection is open."""


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """It cannot begin: each reason is a line with its mend. The engine ends."""

    problems: list[str]


class Counts(msgspec.Struct, frozen=True):
    """Turns so far. started = finished + failed + those in flight; `finished` have an answer."""

    due: int = 0
    started: int = 0
    finished: int = 0
    failed: int = 0
    running: int = 0
    """Cut off in flight: told at the end only."""


class Sample(msgspec.Struct, frozen=True, array_like=True):
    """A row's worth of Locust's table; `fault` is "" unless it counts as failed.

    Response times count from when the turn, or the call in it, was due: a call that waited for
    nothing in its turn was due as much earlier as the turn itself.
    """

    kind: str
    """TURN, CALL, or STEP for what the app did by itself."""
    name: str
    response_ms: float
    fault: str


class Part(msgspec.Struct, frozen=True, tag="part"):
    """What has come since the last part. There is one a second at least: who is silent is dead."""

    at_s: float
    """Since the origin."""
    counts: Counts
    records: bytes = b""
    """Turns that ended, as they stand in a spool (harness.record.spool)."""
    samples: list[Sample] = []
    """The same, as Locust takes them."""
    loop_lags_ms: list[float] = []
    causes: list[tuple[str, str, int]] = []
    """Calls that failed: stage, cause, how many."""


class Account(msgspec.Struct, frozen=True, tag="account"):
    """The last word."""

    at_s: float
    counts: Counts
    cpu_share: float | None
    connections: int | None
    calls: int | None
    leaks: int
    fault: str
    books: ReconciliationSummary | None = None
    """Of its own payments, held against the books; None where nobody tells those."""
    beside: ReconciliationSummary | None = None
    """What no conversation is at fault for, in the books that all share, as they are now: some
    engines see more of it than others, and nobody sees more than there is."""


FromEngine = Ready | Refused | Part | Account


# To the collector. Its first frame is the Opening of harness.cli.collector.


class Heard(msgspec.Struct, frozen=True, tag="heard"):
    """A frame of that worker's engine, a Part or an Account, without its length."""

    worker: str
    frame: bytes


class Planned(msgspec.Struct, frozen=True, tag="planned"):
    """A step of the schedule, and whose shares it has, in the order of their numbers."""

    from_s: float
    rate: float
    workers: list[str]


class Gone(msgspec.Struct, frozen=True, tag="gone"):
    """That worker's engine accounts for nothing any more, and why. What came from it is kept."""

    worker: str
    why: str
    at_s: float
    """Since the origin: when that was noticed."""


class Close(msgspec.Struct, frozen=True, tag="close"):
    """Every engine has accounted or is gone: store the run. `why` is empty for an orderly end."""

    at_s: float
    why: str = ""


ToCollector = Heard | Planned | Gone | Close


# From the collector


class Opened(msgspec.Struct, frozen=True, tag="opened"):
    """The run has a folder."""

    run_id: str
    folder: str


class Look(msgspec.Struct, frozen=True, tag="look"):
    """The run so far, once a second: JSON of a Snapshot of harness.load.live_figures."""

    snapshot: bytes


class Closed(msgspec.Struct, frozen=True, tag="closed"):
    """The run is stored: lines for the terminal, and the exit code; None leaves it to Locust."""

    lines: list[str]
    code: int | None


FromCollector = Opened | Look | Closed


def framed(body: bytes) -> bytes:
    return len(body).to_bytes(PREFIX, "little") + body


class Frames:
    """Whole frames out of bytes that come in any pieces."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The frames that are whole by now, without their lengths."""
        self._rest += data
        while len(self._rest) >= PREFIX:
            end = PREFIX + int.from_bytes(self._rest[:PREFIX], "little")
            if len(self._rest) < end:
                return
            yield bytes(self._rest[PREFIX:end])
            del self._rest[:end]
