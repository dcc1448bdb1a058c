"""Ways of a run that asks real providers: to mocks as ever, to everybody else through what
harness.real lets pass. It decides nothing about what may be sent, and closes what is left open.
"""

import contextlib
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import httpx

from harness.cli.course import Course, Progress, Telling
from harness.cli.leftovers import (
    JOURNAL,
    Internet,
    Left,
    close_what_is_left,
    closing_line,
    forget_if_empty,
    left_in,
    with_left,
)
from harness.cli.mock_process import mock_process
from harness.cli.targets import Real
from harness.cli.ways import socket_way
from harness.cli.wiring import Setup, Way
from harness.clock import Clock
from harness.flow.inbox import Inbox
from harness.http1 import Sockets
from harness.providers.call import Endpoint
from harness.real.hosts import origin_of
from harness.real.journal import Journal
from harness.real.meter import Meter
from harness.real.redact import Redactor
from harness.real.safe import SafeTransport
from harness.record import SpentSummary
from harness.transport import Measured, MeasuringTransport

INTERNET: Internet = Sockets


class Asking:
    """What lasts as long as a run on real targets: its journal and its count."""

    def __init__(self, real: Real, folder: Path) -> None:
        self._real = real
        self._folder = folder
        self._journal = Journal(folder / JOURNAL)
        self.meter = Meter(real.caps)

    @contextlib.asynccontextmanager
    async def ways(self, setup: Setup, base_url: str) -> AsyncIterator[list[Way]]:
        """One for each variant, with connections of its own; mocks are behind that address, if any
        are asked. What is counted, all have together."""
        async with AsyncExitStack() as stack:
            yield [
                await self._way(setup, f"{base_url}/~{n}" if base_url else "", stack)
                for n in range(len(setup.variants))
            ]

    def so_far(self) -> str:
        """The running total, as it goes on behind other figures."""
        requests, orders = self.meter.requests.total(), self.meter.orders.total()
        told = f", {requests:,} requests, {self.meter.spent_usd:.3f} USD"
        return f"{told}, {orders:,} orders" if orders else told

    def close(self) -> None:
        self._journal.close()
        forget_if_empty(self._journal.path)

    def spent(self, left: Left) -> SpentSummary:
        meter = self.meter
        spent = SpentSummary(
            requests=dict(sorted(meter.requests.items())),
            orders=dict(sorted(meter.orders.items())),
            usd=round(meter.spent_usd, 6),
            held_back=meter.held_back,
        )
        return with_left(spent, left)

    async def _way(self, setup: Setup, base_url: str, stack: AsyncExitStack) -> Way:
        real = self._real
        safe = SafeTransport(
            await stack.enter_async_context(INTERNET()),
            list(real.found.values()),
            real.caps,
            self._journal,
            self.meter,
            self._folder.name,
            prices=real.prices,
            allow_production="wechatpay" in real.found,
        )
        if not base_url:
            return Way(safe, _endpoints(setup, {}), Inbox(""))
        way = await stack.enter_async_context(socket_way(setup, base_url))
        assert isinstance(way.transport, MeasuringTransport)
        return replace(
            way,
            transport=Switch(way.transport, base_url, safe),
            at=_endpoints(setup, way.at),
        )


class Switch(MeasuringTransport):
    """Sends what is for the mocks to the mocks, and all else to where it is checked first."""

    def __init__(self, mocks: MeasuringTransport, base_url: str, safe: MeasuringTransport) -> None:
        self._mocks = mocks
        self._origin = origin_of(httpx.URL(base_url))
        self._safe = safe

    async def exchange(self, clock: Clock, request: httpx.Request, patience_s: float) -> Measured:
        return await self._to(request.url).exchange(clock, request, patience_s)

    async def connect(self, clock: Clock, url: httpx.URL, patience_s: float) -> Measured | None:
        return await self._to(url).connect(clock, url, patience_s)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._to(request.url).handle_async_request(request)

    def _to(self, url: httpx.URL) -> MeasuringTransport:
        return self._mocks if origin_of(url) == self._origin else self._safe


@contextlib.contextmanager
def asking(real: Real, course: Course, progress: Progress) -> Iterator[Asking]:
    """However the body ends, what it has left open is closed, if it can be, and the course told
    what was asked in all. Orders are noted beside the course's room, in the run's folder."""
    folder = course.room.parent
    run = Asking(real, folder)
    course.shown = Redactor(real.secrets)
    if isinstance(progress, Telling):
        progress.tell(run.so_far)

    def close() -> None:
        if left := left_in(folder / JOURNAL):
            print(f"tollbench: {closing_line(left)}", file=sys.stderr)
        close_what_is_left(folder, real.found, INTERNET)

    def tell() -> None:
        course.tally.fault = course.shown(course.tally.fault)
        course.spent = run.spent(left_in(folder / JOURNAL))

    with contextlib.ExitStack() as end:
        # The last comes first, and each comes whatever becomes of those before it: a disk may be
        # full, and another interrupt ends the closing.
        end.callback(tell)
        end.callback(close)
        end.callback(run.close)
        yield run


@contextlib.asynccontextmanager
async def ways_there(
    setup: Setup, real: Real, base_url: str, folder: Path
) -> AsyncIterator[list[Way]]:
    """The same in an engine of Locust's, which has no course to tell. What it leaves open the
    collector closes, who outlives it."""
    folder.mkdir(parents=True, exist_ok=True)
    run = Asking(real, folder)
    try:
        async with run.ways(setup, base_url) as ways:
            yield ways
    finally:
        run.close()
        print(f"tollbench: real providers{run.so_far()}", file=sys.stderr)


@contextlib.contextmanager
def serving_mocks(setup: Setup) -> Iterator[str]:
    """The address of the mocks, "" where the run asks none."""
    if setup.real is not None and setup.real.endpoints == "real":
        yield ""
        return
    with mock_process(setup.mocks, setup.mocks_port) as base_url:
        yield base_url


def _endpoints(setup: Setup, mocked: Mapping[str, Endpoint]) -> dict[str, Endpoint]:
    """Of lanes and of providers of models: the real ones where they were found."""
    assert setup.real is not None
    found = setup.real.found
    lanes = {
        lane: found[profile.provider].endpoint
        for lane, profile in setup.mocks.pay.items()
        if profile.provider in found
    }
    return {**mocked, **{name: of.endpoint for name, of in found.items()}, **lanes}
