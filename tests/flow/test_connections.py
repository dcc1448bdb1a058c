"""Connections told apart from the calls they were opened for, and pre-warming that opens them."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import httpx
import pytest

from harness.clock import Clock, RealClock, VirtualClock, run
from harness.flow.flow import Flow, Span, World
from harness.flow.payers import Connects, Payer
from harness.flow.payers.alipay_orders import AlipayOrdersV2, AlipayOrdersV3
from harness.flow.payers.flat import Flat
from harness.flow.payers.prudent import Prudent
from harness.flow.payers.stripe import Stripe
from harness.flow.payers.unionpay import Unionpay
from harness.flow.payers.wechatpay import Wechatpay
from harness.flow.strategy import Strategy
from harness.flow.wallet import Wallet
from harness.http1 import Sockets
from harness.load.engine import record_turn
from harness.providers.call import Call, Endpoint, Unreachable
from harness.record import FlowRow, SpanRow
from harness.transport import (
    DIALED,
    Dialed,
    Measured,
    MeasuringTransport,
    Phase,
    PhaseName,
    failed,
)
from tests.flow.own_turns import Servers, play
from tests.http1.far import asked, far
from tests.worlds import BASELINE, PREWARM

AT = Endpoint("https://api.shop.test/v1", "sk_test_x")
NAMES: tuple[PhaseName, ...] = ("dns", "tcp", "tls")
PHASE_S, CALL_S = 0.25, 1.0
HI = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


@dataclass
class Far(MeasuringTransport):
    """Opens a connection in 0.75 s where none is idle, and answers in 1 s. Openings fail in the
    phase that is named."""

    clock: VirtualClock
    fails_in: str = ""
    idle: int = 0
    asked: list[str] = field(default_factory=list)

    async def exchange(self, clock: Clock, request: httpx.Request, patience_s: float) -> Measured:
        start, dialed = clock.now(), None
        if self.idle:
            self.idle -= 1
        else:
            dialed = await self._dialed()
            if not dialed.phases[-1].done:
                return failed(start, clock.now(), "ConnectionError: x", "no route", dialed)
        begun = clock.now()
        await clock.sleep_until(begun + CALL_S)
        self.idle += 1
        end = clock.now()
        return Measured(start, end, end, end, 200, httpx.Headers(), b"ok", dialed=dialed)

    async def connect(self, clock: Clock, url: httpx.URL, patience_s: float) -> Measured | None:
        self.asked.append(str(url))
        if self.idle:
            return None
        start = clock.now()
        dialed = await self._dialed()
        if not dialed.phases[-1].done:
            return failed(start, clock.now(), "ConnectionError: x", "no route", dialed)
        self.idle += 1
        end = clock.now()
        return Measured(start, end, end, end, 0, httpx.Headers(), b"", dialed=dialed)

    async def _dialed(self) -> Dialed:
        phases: list[Phase] = []
        for name in NAMES:
            start, done = self.clock.now(), name != self.fails_in
            await self.clock.sleep_until(start + PHASE_S)
            phases.append(Phase(name, start, self.clock.now(), done))
            if not done:
                break
        return Dialed(self.clock.now(), tuple(phases))


Story = Callable[[Flow, Far], Awaitable[None]]


def told(story: Story, *, tells: bool = True, fails_in: str = "", idle: int = 0) -> Flow:
    """The turn when its story is over and its forks have ended."""

    async def main() -> Flow:
        clock = VirtualClock()
        far = Far(clock, fails_in, idle)
        world = World(clock, far, 1, 0, mocked=False, tells_connections=tells)
        flow = Flow(world, 0, 0, clock.now(), clock.now())
        await story(flow, far)
        flow.end = flow.now()
        await flow.join()
        return flow

    return run("virtual", main())


def rows(flow: Flow) -> tuple[FlowRow, list[SpanRow]]:
    found: list[tuple[FlowRow, list[SpanRow]]] = []
    assert flow.end is not None
    record_turn("v", flow, flow.end, 0.0, lambda turn, spans: found.append((turn, spans)))
    return found[0]


def times(spans: list[Span]) -> list[tuple[str, float, float, int]]:
    return [(span.stage, span.start, span.end, span.status) for span in spans]


def call() -> Call[bytes]:
    return Call("shop", httpx.Request("GET", AT.base_url), lambda status, headers, body: body)


async def one_call(flow: Flow, far: Far) -> None:
    await flow.call("pay", call())


async def two_calls(flow: Flow, far: Far) -> None:
    await flow.call("pay", call())
    await flow.call("query", call())


# A call that dialed


def test_a_call_begins_when_it_has_its_connection_and_what_that_took_stands_before_it() -> None:
    flow = told(two_calls)
    assert times(flow.spans) == [
        ("dns", 0.0, 0.25, 200),
        ("tcp", 0.25, 0.5, 200),
        ("tls", 0.5, 0.75, 200),
        ("pay", 0.75, 1.75, 200),
        ("query", 1.75, 2.75, 200),
    ]
    assert {span.provider for span in flow.spans} == {"shop"}


def test_where_connections_are_not_told_apart_a_call_has_all_of_its_time() -> None:
    assert times(told(two_calls, tells=False).spans) == [
        ("pay", 0.0, 1.75, 200),
        ("query", 1.75, 2.75, 200),
    ]


def test_the_spans_add_up_to_what_the_user_waited_for_and_only_calls_are_counted() -> None:
    turn, spans = rows(told(two_calls))
    assert turn.calls == 2
    assert all(span.critical for span in spans)
    assert sum(span.end_s - span.start_s for span in spans) * 1000 == turn.response_ms == 2750.0


@pytest.mark.parametrize("name", NAMES)
def test_a_phase_that_fails_is_told_and_the_fault_is_the_calls(name: PhaseName) -> None:
    async def story(flow: Flow, far: Far) -> None:
        with pytest.raises(Unreachable, match="ConnectionError"):
            await flow.call("pay", call())

    flow = told(story, fails_in=name)
    *phases, last = flow.spans
    end = PHASE_S * (NAMES.index(name) + 1)
    assert [span.stage for span in phases] == list(NAMES[: NAMES.index(name) + 1])
    assert [bool(span.status) for span in phases] == [True] * (len(phases) - 1) + [False]
    assert {span.fault for span in phases} == {""}
    assert (last.stage, last.start, last.end, last.fault) == (
        "pay", end, end, "Unreachable: no route",
    )  # fmt: skip


def test_a_phase_is_numbered_by_how_often_it_came_in_the_turn() -> None:
    async def story(flow: Flow, far: Far) -> None:
        await asyncio.gather(*(flow.call("pay", call()) for _ in range(2)))

    tls = [span.attempt for span in told(story).spans if span.stage == "tls"]
    assert tls == [1, 2]


# A function of the user's own


@pytest.mark.parametrize("tells", [True, False])
def test_a_client_of_the_users_own_has_its_connections_told_too(tells: bool) -> None:
    class Dialing(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            start = servers.clock.now()
            await asyncio.sleep(2 * PHASE_S)
            ready = servers.clock.now()
            half = start + PHASE_S
            dialed = Dialed(
                ready, (Phase("tcp", start, half, True), Phase("tls", half, ready, True))
            )
            await asyncio.sleep(CALL_S)
            return httpx.Response(200, content=b"{}", extensions={DIALED: dialed})

    async def function() -> None:
        async with httpx.AsyncClient() as client:
            await client.get("http://own.test/x")

    servers = Servers()
    seen = play(function, servers, others={"own.test": Dialing()}, tells_connections=tells)
    apart = [("tcp", 0.0, 0.25), ("tls", 0.25, 0.5), ("own.test", 0.5, 1.5)]
    assert seen.stages() == (apart if tells else [("own.test", 0.0, 1.5)])
    assert seen.flow.calls == 1


# Opened ahead


def test_a_connection_opened_ahead_is_told_with_its_phases_and_the_next_call_has_none() -> None:
    async def story(flow: Flow, far: Far) -> None:
        await flow.connect("shop", AT)
        await flow.connect("shop", AT)
        await flow.call("pay", call())
        assert far.asked == [AT.base_url] * 2

    flow = told(story)
    assert times(flow.spans) == [
        ("dns", 0.0, 0.25, 200),
        ("tcp", 0.25, 0.5, 200),
        ("tls", 0.5, 0.75, 200),
        ("preconnect", 0.0, 0.75, 200),
        ("pay", 0.75, 1.75, 200),
    ]
    assert rows(flow)[0].calls == 1


def test_hidden_behind_a_longer_step_it_is_on_no_critical_path() -> None:
    async def story(flow: Flow, far: Far) -> None:
        flow.fork(flow.connect("shop", AT))
        with flow.step("intent"):
            await flow.sleep(2.0)
        await flow.call("pay", call())

    _, spans = rows(told(story))
    assert [span.stage for span in spans if span.critical] == ["intent", "pay"]


@pytest.mark.parametrize("name", NAMES)
def test_one_that_cannot_be_opened_ahead_is_no_fault_of_the_turn(name: PhaseName) -> None:
    async def story(flow: Flow, far: Far) -> None:
        await flow.connect("shop", AT)

    *_, last = told(story, fails_in=name).spans
    assert (last.stage, last.status, last.fault) == ("preconnect", 0, "Unreachable: no route")


def test_one_that_is_cut_off_has_a_span_up_to_then() -> None:
    async def story(flow: Flow, far: Far) -> None:
        flow.fork(flow.connect("shop", AT))
        await flow.sleep(0.3)
        await flow.cut()

    assert times(told(story).spans) == [("preconnect", 0.0, 0.3, 0)]


def test_a_transport_that_opens_none_is_asked_nothing() -> None:
    async def main() -> list[Span]:
        clock = VirtualClock()
        transport = httpx.MockTransport(lambda request: httpx.Response(200))
        flow = Flow(World(clock, transport, 1, 0, False, tells_connections=True), 0, 0, 0.0, 0.0)
        await flow.connect("shop", AT)
        return flow.spans

    assert run("virtual", main()) == []


@pytest.mark.socket
def test_over_sockets_a_turn_takes_the_connection_that_was_opened_ahead_of_it() -> None:
    async def ask(sockets: Sockets, url: str) -> list[Span]:
        clock = RealClock()
        world = World(clock, sockets, 1, 0, mocked=False, tells_connections=True)
        flow = Flow(world, 0, 0, clock.now(), clock.now())
        await flow.call("intent", Call("shop", httpx.Request("GET", url), lambda *of: None))
        await sockets.aclose()
        await flow.connect("shop", Endpoint(url, ""))
        await flow.call("pay", Call("shop", httpx.Request("GET", url), lambda *of: None))
        assert (sockets.opened, sockets.calls) == (2, 2)
        return flow.spans

    tcp, intent, ahead, whole, pay = asked(far(HI, HI), ask)
    assert [of.stage for of in (tcp, intent, ahead, whole, pay)] == [
        "tcp", "intent", "tcp", "preconnect", "pay",
    ]  # fmt: skip
    assert tcp.end == intent.start < intent.end <= ahead.start
    assert (whole.start, whole.end) == (ahead.start, ahead.end)
    assert whole.end <= pay.start < pay.end


# Who opens one


@pytest.mark.parametrize(
    ("strategy", "tells", "asked"),
    [(PREWARM, True, 1), (PREWARM, False, 0), (BASELINE, True, 0)],
)
def test_prewarming_without_sessions_connects_where_that_is_told(
    strategy: Strategy, tells: bool, asked: int
) -> None:
    async def story(flow: Flow, far: Far) -> None:
        payer = Prudent(Stripe(AT), "p", {"USD": 50})
        wallet = Wallet(payer, strategy, "alice", "card")
        wallet.warm(flow)
        await flow.sleep(2.0)
        wallet.settle(flow)
        assert far.asked == [AT.base_url] * asked

    flow = told(story, tells=tells)
    assert [span.stage for span in flow.spans if span.stage == "preconnect"] == [
        "preconnect"
    ] * asked
    assert flow.wasted_prewarms == 0


@pytest.mark.parametrize("payer", [Stripe, AlipayOrdersV2, AlipayOrdersV3, Unionpay, Wechatpay])
def test_every_payer_without_sessions_of_a_real_provider_says_how_to_connect(
    payer: Callable[[Endpoint], Payer],
) -> None:
    async def story(flow: Flow, far: Far) -> None:
        one = payer(AT)
        assert not one.has_sessions
        assert isinstance(one, Connects)
        await one.connect(flow)
        assert far.asked == [AT.base_url]

    assert told(story).spans[-1].stage == "preconnect"


def test_a_payer_that_does_not_say_how_is_left_alone() -> None:
    async def story(flow: Flow, far: Far) -> None:
        flat = Flat(AT)
        assert not flat.has_sessions
        Wallet(flat, PREWARM, "alice", "card").warm(flow)
        await flow.join()
        assert far.asked == []

    told(story)
