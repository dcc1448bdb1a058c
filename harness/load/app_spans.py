"""What a tested app did within each turn, as the mocks behind it saw it; it makes no load, and none
of its calls is in any count of the run.

The mocks tell the calls that carried a trace id of this run, with times of their own clock. How far
that is from ours is learned from the askings themselves: the mocks read their clock somewhere
between question and answer, so it is known to half the round trip.
"""

import asyncio
import contextlib
import re
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from math import inf
from typing import TypeVar

import httpx
import msgspec

from harness.clock import Clock
from harness.flow.flow import Flow, Span
from harness.http1.wire import TOO_LARGE
from harness.providers.call import (
    Malformed,
    ProviderFault,
    Unreachable,
    cause,
    fault_of,
    parse,
    request_of,
)
from harness.providers.trace import operation_of, run_prefix, trace_id_of
from harness.transport import Measured, measure

T = TypeVar("T")

EVERY_S = 0.5
"""Between two askings. A turn is recorded with the first one that began after its end."""

PATIENCE_S = 5.0
"""How long the mocks may take to answer one."""

KEPT_TURNS = 100_000
"""Turns whose calls are kept until somebody wants them, the newest; some are other engines'."""

OVERLAP_S = 0.001
"""So far behind the last asking each one looks back, by the mocks' clock: a call may have come at
the very moment of that one, after it. What is told twice is known again."""

DRIFT = 5e-5
"""Seconds by which two clocks may part within one, so that an estimate grows old."""


_DRAW = re.compile(r"(?:-?[0-9]+\.){3}([!-~]+)\.(-?[0-9]{1,15})", re.ASCII)
"""As told.py writes it."""


@dataclass(slots=True)
class Offset:
    """How many seconds the mocks' clock is ahead of ours, and how far that may be off."""

    ahead_s: float = 0.0
    error_s: float = inf
    at: float = 0.0
    """When it was learned."""

    def error_at(self, now: float) -> float:
        return self.error_s + DRIFT * (now - self.at)

    def learn(self, sent: float, answered: float, clock_s: float) -> None:
        """From one asking. The tightest is kept, for as long as it is that; one that it cannot be
        reconciled with says that a clock was set, or is another's now."""
        error_s, known_s = (answered - sent) / 2, self.error_at(answered)
        ahead_s = clock_s - (sent + answered) / 2
        if error_s <= known_s or abs(ahead_s - self.ahead_s) > error_s + known_s:
            self.ahead_s, self.error_s, self.at = ahead_s, error_s, answered


class Seen(msgspec.Struct, frozen=True, gc=False):
    """One call as the mocks tell it, by their clock. `ended_s` is when the answer's last byte was
    meant to leave; when it was due to come is not known, nor when its first one was."""

    provider: str
    draw: str
    path: str
    trace: str
    arrived_s: float
    ended_s: float
    status: int


class AppSpans:
    """Asks the mocks as long as `asking` lasts, and completes turns by what they tell.

    `run` are the 64 bits that the run's trace ids begin with. The transport must not be the one
    that the load goes by, which counts what it carries. `warn` is told once, in one line, when
    turns have to be recorded without the calls of the app.
    """

    def __init__(
        self,
        clock: Clock,
        transport: httpx.AsyncBaseTransport,
        mocks_url: str,
        run: int,
        warn: Callable[[str], None],
    ) -> None:
        self.offset = Offset()
        self.without = 0
        """Turns that were recorded so."""
        self._clock = clock
        self._transport = transport
        self._mocks_url = mocks_url
        self._prefix = run_prefix(run)
        self._warn = warn
        self._since = -inf
        self._skips = False
        self._blind_until = -inf
        self._latest: set[Seen] = set()
        self._kept: OrderedDict[str, list[Seen]] = OrderedDict()
        self._next = _Asking()
        self._one_by_one = asyncio.Lock()
        self._over = self._warned = False

    async def check(self) -> None:
        """Raises ProviderFault where no mocks answer."""
        try:
            _decode(await self._get("/_health"), _HealthTold)
        except ProviderFault as fault:
            raise Malformed(f"the mocks at {self._mocks_url}: {fault}") from None

    @contextlib.asynccontextmanager
    async def asking(self) -> AsyncIterator[None]:
        task = asyncio.get_running_loop().create_task(self._ask_on())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
        if not task.cancelled():
            task.result()  # It ends by itself only if something is wrong with us.

    async def complete(self, flow: Flow) -> None:
        """Add the calls that the app had begun for this turn when it ended. Those that it began
        later are dropped: whether an asking still learns of one is chance."""
        asking = self._next
        if not self._over:
            await asking.over.wait()
        if not asking.answered or flow.start < self._blind_until:
            self.without += 1
            return
        async with self._one_by_one:
            # All that waited would be a pause of the loop, and so of every call in flight.
            await asyncio.sleep(0)
        assert flow.end is not None
        for call in self._kept.pop(trace_id_of(flow.traceparent), ()):
            span = span_of(call, self.offset, flow.start, flow.end)
            if span.start <= flow.end:
                flow.spans.append(span)

    async def _ask_on(self) -> None:
        due = self._clock.now()
        try:
            while True:
                asking, self._next = self._next, _Asking()
                try:
                    asking.answered = await self._ask()
                finally:
                    asking.over.set()
                due = max(due + EVERY_S, self._clock.now())
                await self._clock.sleep_until(due)
        finally:
            self._over = True
            self._next.over.set()

    async def _ask(self) -> bool:
        """Whether the mocks answered."""
        skips, since = self._skips, ""
        if skips or self._since > -inf:
            since = f"&since={inf if skips else self._since - OVERLAP_S!r}"
        try:
            took = await self._get(f"/_spans?trace={self._prefix}{since}")
            told = _decode(took, _SpansTold)
        except ProviderFault as fault:
            # What is too much to be told would be too much for ever: the next one learns no more
            # than where to go on.
            self._skips = skips or fault.what == TOO_LARGE
            self._tell_once(fault)
            return False
        if told.clock_s < self._since:
            # Other mocks, with a clock of their own.
            self.offset, self._since, self._latest = Offset(), -inf, set()
        self.offset.learn(took.start, took.end, told.clock_s)
        self._keep(told.spans)
        self._since = told.clock_s
        # Only these can be told again.
        recent = told.clock_s - OVERLAP_S
        self._latest = {call for call in told.spans if call.arrived_s > recent}
        if skips:
            self._skips, self._blind_until = False, took.end
        return not skips

    def _keep(self, calls: list[Seen]) -> None:
        for call in calls:
            if call.arrived_s > self._since or call not in self._latest:
                self._kept.setdefault(call.trace, []).append(call)
        while len(self._kept) > KEPT_TURNS:
            self._kept.popitem(last=False)

    async def _get(self, page: str) -> Measured:
        request = request_of("GET", httpx.URL(self._mocks_url + page), {})
        took = await measure(self._transport, self._clock, request, PATIENCE_S)
        if took.fault:
            raise Unreachable(took.fault, what=took.fault_kind)
        return took

    def _tell_once(self, fault: ProviderFault) -> None:
        if not self._warned:
            self._warned = True
            where = f"the mocks at {self._mocks_url} do not tell what the app called"
            self._warn(f"{where}: {fault}; turns are recorded without that as long as it lasts")


def span_of(call: Seen, offset: Offset, turn_start: float, turn_end: float) -> Span:
    """The call by our clock. No call of a turn comes before it, so one that seems to within the
    error of the offset came with it; and one that seems to outlast it so was waited for."""
    error_s = offset.error_at(turn_end)
    start, end = call.arrived_s - offset.ahead_s, call.ended_s - offset.ahead_s
    if turn_start - error_s <= start < turn_start:
        start = turn_start
    if start < turn_end < end <= turn_end + error_s:
        end = turn_end
    end = max(start, end)
    stage, attempt = _place(call)
    return Span(
        stage, call.provider, start, end, end, end, call.status, attempt, None,
        fault=_fault(call.status),
    )  # fmt: skip


@dataclass(slots=True)
class _Asking:
    """One that is to come, or under way."""

    over: asyncio.Event = field(default_factory=asyncio.Event)
    answered: bool = False


class _SpansTold(msgspec.Struct):
    clock_s: float
    spans: list[Seen]


class _HealthTold(msgspec.Struct):
    status: str
    seed: int
    worlds: list[str]


def _decode(took: Measured, page: type[T]) -> T:
    if took.status != 200:
        raise Malformed(f"{took.status} for a page that tollbench's mocks have")
    return parse(took.body, page)


def _place(call: Seen) -> tuple[str, int]:
    """Stage and attempt, as the draw has them: an app that names its draws names its stages, and of
    any other the mocks say which provider it called for what."""
    draw = _DRAW.fullmatch(call.draw)
    if draw is None:
        return f"{call.provider}/{operation_of(call.path)}", 1
    return draw[1], int(draw[2])


def _fault(status: int) -> str:
    """Why a call of the app's failed; a refusal by a provider's rules is none."""
    failed = fault_of(status) if status >= 400 else None
    return "" if failed is None or isinstance(failed, Malformed) else cause(failed)
