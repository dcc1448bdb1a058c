"""Mocks behind a tested app whose clock is another, that do not tell, or that are none."""

from functools import partial

import httpx
import msgspec
import pytest

from harness.answer import Answer, Decide, plain
from harness.cli.app_box import black_box_arm
from harness.clock import Clock, VirtualClock, run
from harness.flow.flow import World
from harness.http1.wire import TOO_LARGE
from harness.in_process import InProcess
from harness.load.app_spans import AppSpans
from harness.load.engine import boot
from harness.providers.call import Endpoint, ProviderFault
from harness.stats.critical_path import OWN_TIME
from harness.transport import Measured, failed, failed_by
from mocks.admin import Admin
from mocks.host import IN_PROCESS_URL
from mocks.worlds import Worlds
from scenarios.app_chat import App, AppChat
from tests.load.app_double import (
    COMPLETIONS,
    MOCKS,
    RUN,
    Ahead,
    in_series,
    mocks_at,
    parts_of,
    played,
)

# Whose clock


@pytest.mark.parametrize("ahead_s", [0.0, 7000.25, -0.75])
def test_the_mocks_clock_may_be_another(ahead_s: float) -> None:
    def door(clock: VirtualClock) -> InProcess:
        there = Ahead(ahead_s)
        inner = Admin(there, Worlds(there, MOCKS), MOCKS.seed, there.now()).decide

        def decide(request: httpx.Request) -> Answer:
            answer = inner(request)
            # It is played here, where the time is ours.
            return msgspec.structs.replace(answer, times=[at - ahead_s for at in answer.times])

        return InProcess(decide, clock)

    seen = played(in_series, door=door)
    assert (seen.spans.offset.ahead_s, seen.spans.offset.error_s) == (ahead_s, 0.0)
    assert parts_of(seen) == pytest.approx({COMPLETIONS: 1200.0, OWN_TIME: 60.0}, abs=1e-3)


# Where the mocks do not tell


def test_a_turn_whose_calls_cannot_be_had_is_recorded_without_and_that_is_told_once() -> None:
    def gone(clock: VirtualClock) -> httpx.AsyncBaseTransport:
        def refuse(request: httpx.Request) -> httpx.Response:
            if request.url.path == "/_spans":
                raise httpx.ConnectError("connection refused")
            return httpx.Response(200, json={"status": "ok", "seed": 1, "worlds": []})

        return httpx.MockTransport(refuse)

    seen = played(in_series, dues=[0.1, 0.2, 3.0], door=gone)
    assert [flow.response_ms for flow in seen.rows.flows] == pytest.approx([1260.0] * 3)
    assert [flow.calls for flow in seen.rows.flows] == [1] * 3
    assert seen.spans.without == 3
    assert parts_of(seen) == pytest.approx({"chat": 1260.0})
    (line,) = seen.warned
    assert IN_PROCESS_URL in line and "connection refused" in line


def test_mocks_that_come_back_tell_again() -> None:
    def away_for_a_while(clock: VirtualClock) -> InProcess:
        there = mocks_at(clock)

        def decide(request: httpx.Request) -> Answer:
            away = request.url.path == "/_spans" and clock.now() < 2.0
            return plain(clock, 503, "") if away else there(request)

        return InProcess(decide, clock)

    seen = played(in_series, dues=[0.1, 3.0], door=away_for_a_while)
    assert [flow.calls for flow in seen.rows.flows] == [1, 3]
    assert (seen.spans.without, len(seen.warned)) == (1, 1)


class _Narrow(InProcess):
    """Tells no calls until two seconds have passed, and never many at once."""

    async def exchange(self, clock: Clock, request: httpx.Request, patience_s: float) -> Measured:
        took = await super().exchange(clock, request, patience_s)
        if request.url.path == "/_spans" and clock.now() < 2.0:
            return failed(took.start, took.end, "nobody is there")
        if len(took.body) > 1000:
            return failed_by(httpx.RemoteProtocolError(TOO_LARGE), took.start, took.end)
        return took


def test_calls_too_many_to_be_told_are_left_out_and_those_after_them_are_told() -> None:
    def door(clock: VirtualClock) -> InProcess:
        return _Narrow(mocks_at(clock), clock)

    # The fifth turn is under way while they are left out: what is told of it is not all.
    seen = played(in_series, dues=[0.1, 0.2, 0.3, 0.4, 1.9, 4.0], door=door)
    assert [flow.calls for flow in seen.rows.flows] == [1, 1, 1, 1, 1, 3]
    assert (seen.spans.without, len(seen.warned)) == (5, 1)


def test_boot_asks_whether_they_are_the_mocks() -> None:
    async def booted(door: Decide) -> None:
        clock = VirtualClock()
        spans = AppSpans(clock, InProcess(door, clock), IN_PROCESS_URL, RUN, print)
        world = World(clock, httpx.MockTransport(lambda _: httpx.Response(500)), 1, 0, mocked=False)
        await boot(
            clock, black_box_arm(AppChat(), App(Endpoint("http://app", ""), RUN), world, spans)
        )

    async def main() -> None:
        clock = VirtualClock()
        await booted(mocks_at(clock))
        for page in (plain(clock, 200, "<html>"), plain(clock, 200, "{}"), plain(clock, 404, "")):
            with pytest.raises(ProviderFault):
                await booted(partial(_always, page))

    run("virtual", main())


def _always(page: Answer, _: httpx.Request) -> Answer:
    return page
