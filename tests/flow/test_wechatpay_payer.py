"""Ordering by WeChat Pay: an order is made and closed, nobody waits, and nothing is paid."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import httpx
import pytest
from msgspec import structs

from harness.answer import play
from harness.clock import VirtualClock, run
from harness.flow.flow import Flow, World
from harness.flow.payers import Payment, Refund, Settlement, sessionless
from harness.flow.payers.wechatpay import NOTIFY_URL, Wechatpay
from harness.flow.recover import resolve
from harness.flow.wish import Wish
from harness.providers.call import Malformed, Overloaded, ProviderFault, Unreachable
from harness.providers.told import decode_draw
from harness.providers.wechatpay import orders
from mocks.keys import signing_pair
from mocks.setting import Setting
from mocks.wechatpay import Wechatpay as Mock
from tests.mocks.wechatpay_shop import at, profile

T = TypeVar("T")
SESSION = sessionless("card")
WISH = Wish(4580, "CNY", "noodles", "card")
LUNCH = Payment("alice-0", "alice", WISH)
CODE = f"{orders.CODE_PREFIX}000000000"
"""Of the first order."""
Answer = Callable[[httpx.Request], Awaitable[httpx.Response]]


@dataclass
class App:
    """An app, its mock, and what a test does to calls by their stage."""

    clock: VirtualClock
    calls: list[str] = field(default_factory=list)
    sent: list[httpx.Request] = field(default_factory=list)
    trouble: dict[str, Callable[[httpx.Request, Answer], Awaitable[httpx.Response]]] = field(
        default_factory=dict
    )

    def __post_init__(self) -> None:
        self.mock = Mock(Setting(clock=self.clock, seed=1), profile())
        self.payer = Wechatpay(at())

    def flow(self, turn: int = 0) -> Flow:
        world = World(self.clock, httpx.MockTransport(self._call), 1, 0, True)
        return Flow(world, 0, turn, self.clock.now(), self.clock.now())

    def states(self) -> dict[str, str]:
        return {entry.order_no: entry.state for entry in self.mock.ledger}

    async def scan(self, code: str = CODE) -> None:
        """Somebody has seen the code after all, and pays."""
        headers = {"content-type": "text/plain"}
        url = "http://mocks/wechatpay/client/pay?openid=ada"
        answer = await self._answer(httpx.Request("POST", url, headers=headers, content=code))
        assert answer.status_code == 200, answer.text

    async def _call(self, request: httpx.Request) -> httpx.Response:
        key = decode_draw(request.headers)
        assert key is not None
        self.calls.append(key.stage)
        self.sent.append(request)
        trouble = self.trouble.get(key.stage)
        return await (trouble(request, self._answer) if trouble else self._answer(request))

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        return await play(self.clock, self.mock.decide(request))


def visit(story: Callable[[App], Coroutine[Any, Any, T]]) -> T:
    async def main() -> T:
        return await story(App(VirtualClock()))

    return run("virtual", main())


async def answer_lost(request: httpx.Request, answer: Answer) -> httpx.Response:
    await answer(request)
    raise httpx.ReadError("connection reset")


async def never_came(request: httpx.Request, answer: Answer) -> httpx.Response:
    raise httpx.ConnectError("connection refused")


async def overloaded(request: httpx.Request, answer: Answer) -> httpx.Response:
    return httpx.Response(500, content=b'{"code":"SYSTEM_ERROR","message":"later"}')


# The order of things


def test_an_order_is_made_and_closed_and_nobody_waits_for_the_closing() -> None:
    async def story(app: App) -> None:
        flow = app.flow()
        assert await app.payer.authorize(flow, SESSION, LUNCH) == Settlement("ordered")
        assert app.clock.now() == pytest.approx(0.5)
        await flow.join()
        times = [(span.stage, round(span.start, 6), round(span.end, 6)) for span in flow.spans]
        assert times == [("sign", 0.0, 0.0), ("pay", 0.0, 0.5), ("close", 0.5, 1.0)]
        assert app.states() == {"alice-0": "voided"}

    visit(story)


def test_there_are_no_sessions_and_nothing_to_fetch() -> None:
    async def story(app: App) -> None:
        flow = app.flow()
        await app.payer.start(flow)
        session = await app.payer.open_session(flow, "alice", "card")
        assert await app.payer.refresh_session(flow, "alice", session) == session
        assert (app.payer.has_sessions, app.payer.good_end) == (False, "ordered")
        assert (app.calls, flow.spans) == ([], [])

    visit(story)


def test_the_order_says_what_the_wish_says_and_sends_notices_to_nobody() -> None:
    async def story(app: App) -> None:
        await app.payer.authorize(app.flow(), SESSION, LUNCH)
        asked = app.sent[0].read().decode()
        assert '"total":4580' in asked and '"out_trade_no":"alice-0"' in asked
        assert NOTIFY_URL in asked and "example.com" in NOTIFY_URL

    visit(story)


def test_the_code_is_shown_to_nobody() -> None:
    async def story(app: App) -> None:
        flow = app.flow()
        told = await app.payer.authorize(flow, SESSION, LUNCH)
        await flow.join()
        for shown in (repr(told), repr(flow.spans), repr(vars(app.payer)), str(flow.fault)):
            assert "weixin" not in shown

    visit(story)


def test_no_nonce_comes_twice_and_a_run_repeats_itself() -> None:
    async def story(app: App) -> list[str]:
        flow = app.flow()
        for n in range(3):
            await app.payer.authorize(flow, SESSION, structs.replace(LUNCH, order_no=f"alice-{n}"))
        await flow.join()
        return [request.headers["authorization"].split('"')[3] for request in app.sent]

    first, again = visit(story), visit(story)
    assert first == again
    assert len(set(first)) == len(first) == 6
    assert all(len(nonce) <= 32 and nonce.isalnum() for nonce in first)


@pytest.mark.parametrize("order_no", ["a-0", "alice@example.com-0", "a" * 40])
def test_a_number_that_the_wire_does_not_allow_is_another_one_there(order_no: str) -> None:
    async def story(app: App) -> None:
        flow, payment = app.flow(), structs.replace(LUNCH, order_no=order_no)
        assert await app.payer.authorize(flow, SESSION, payment) == Settlement("ordered")
        await flow.join()
        assert await app.payer.query(flow, SESSION, payment) == Settlement("ordered")
        assert list(app.states()) == [orders.as_order_no(order_no)]

    visit(story)


# Asking, closing, giving back


def test_an_order_that_was_closed_was_ordered_and_one_that_nobody_made_is_unknown() -> None:
    async def story(app: App) -> None:
        flow = app.flow()
        assert await app.payer.query(flow, SESSION, LUNCH) is None
        await app.payer.authorize(flow, SESSION, LUNCH)
        await flow.join()
        assert await app.payer.query(flow, SESSION, LUNCH) == Settlement("ordered")
        assert await app.payer.void(flow, SESSION, LUNCH)

    visit(story)


def test_an_order_that_nobody_knows_is_made_and_closed_so_that_it_never_comes() -> None:
    async def story(app: App) -> None:
        flow = app.flow()
        assert await app.payer.void(flow, SESSION, LUNCH)
        assert app.states() == {"alice-0": "voided"}
        assert [span.stage for span in flow.spans if span.stage != "sign"] == ["reverse"] * 3
        assert await app.payer.authorize(flow, SESSION, LUNCH) == Settlement("ordered")
        assert app.states() == {"alice-0": "voided"}

    visit(story)


def test_an_order_that_could_not_be_closed_is_closed_by_whoever_asks_after_it() -> None:
    async def story(app: App) -> None:
        flow = app.flow()
        app.trouble["close"] = overloaded
        assert await app.payer.authorize(flow, SESSION, LUNCH) == Settlement("ordered")
        await flow.join()  # That it could not be closed is no fault of the turn.
        assert app.states() == {"alice-0": "open"}
        assert flow.spans[-1].fault == "Overloaded 500 SYSTEM_ERROR"
        app.trouble.clear()
        assert await app.payer.query(flow, SESSION, LUNCH) == Settlement("ordered")
        await flow.join()
        assert app.states() == {"alice-0": "voided"}

    visit(story)


def test_one_order_is_not_closed_twice_at_a_time() -> None:
    async def story(app: App) -> None:
        flow = app.flow()

        async def slow(request: httpx.Request, answer: Answer) -> httpx.Response:
            await app.clock.sleep_until(app.clock.now() + 1)
            return await answer(request)

        app.trouble["close"] = slow
        await app.payer.authorize(flow, SESSION, LUNCH)
        asked = (app.payer.query(flow, SESSION, LUNCH) for _ in range(3))
        assert await asyncio.gather(*asked) == [Settlement("ordered")] * 3
        assert app.states() == {"alice-0": "open"}
        await flow.join()
        assert app.calls.count("close") == 1
        assert app.states() == {"alice-0": "voided"}

    visit(story)


def test_who_has_paid_after_all_gets_all_of_it_back() -> None:
    async def story(app: App) -> None:
        flow = app.flow()
        app.trouble["close"] = never_came
        await app.payer.authorize(flow, SESSION, LUNCH)
        await flow.join()
        await app.scan()
        assert await app.payer.query(flow, SESSION, LUNCH) == Settlement("paid")
        assert await app.payer.void(flow, SESSION, LUNCH)
        assert await app.payer.void(flow, SESSION, LUNCH)  # Once, however often.
        assert await app.payer.query(flow, SESSION, LUNCH) == Settlement("refunded")
        (entry,) = app.mock.ledger
        assert entry.refunds == {"alice-0-void": 4580}

    visit(story)


def test_a_payment_that_comes_before_the_closing_is_given_back_beside_the_turn() -> None:
    async def story(app: App) -> None:
        flow = app.flow()

        async def paid_meanwhile(request: httpx.Request, answer: Answer) -> httpx.Response:
            del app.trouble["close"]
            await app.scan()
            return await answer(request)

        app.trouble["close"] = paid_meanwhile
        assert await app.payer.authorize(flow, SESSION, LUNCH) == Settlement("ordered")
        await flow.join()
        assert app.states() == {"alice-0": "refunded"}

    visit(story)


def test_a_refund_gives_back_only_what_was_paid() -> None:
    async def story(app: App) -> None:
        flow, part = app.flow(), Refund("alice-0-r1", 1000)
        assert await app.payer.refund(flow, SESSION, LUNCH, part) == Settlement("declined")
        app.trouble["close"] = never_came
        await app.payer.authorize(flow, SESSION, LUNCH)
        assert await app.payer.refund(flow, SESSION, LUNCH, part) == Settlement("declined")
        assert "refund" not in app.calls
        await flow.join()
        await app.scan()
        for _ in range(2):
            assert await app.payer.refund(flow, SESSION, LUNCH, part) == Settlement("refunded")
        rest = Refund("alice-0-r2", 4000)
        assert await app.payer.refund(flow, SESSION, LUNCH, rest) == Settlement("declined")
        (entry,) = app.mock.ledger
        assert entry.refunded_minor == 1000

    visit(story)


# Faults


@pytest.mark.parametrize(
    ("trouble", "fault"), [(overloaded, Overloaded), (answer_lost, Unreachable)]
)
def test_a_fault_in_the_order_is_the_provider_s(
    trouble: Callable[[httpx.Request, Answer], Awaitable[httpx.Response]],
    fault: type[ProviderFault],
) -> None:
    async def story(app: App) -> None:
        flow = app.flow()
        app.trouble["pay"] = trouble
        with pytest.raises(fault):
            await app.payer.authorize(flow, SESSION, LUNCH)

    visit(story)


@pytest.mark.parametrize(
    ("trouble", "outcome"), [(answer_lost, "ordered"), (never_came, "reversed")]
)
def test_an_order_whose_answer_was_lost_is_found_and_closed(
    trouble: Callable[[httpx.Request, Answer], Awaitable[httpx.Response]], outcome: str
) -> None:
    """One that never came may still come: its number is taken, and closed."""

    async def story(app: App) -> None:
        flow = app.flow()
        app.trouble["pay"] = trouble

        async def again() -> Any:
            return SESSION

        with pytest.raises(Unreachable):
            await app.payer.authorize(flow, SESSION, LUNCH)
        settled = await resolve(flow, app.payer, again, SESSION, LUNCH)
        await flow.join()
        assert settled.outcome == outcome
        assert app.states() == {"alice-0": "voided"}

    visit(story)


def test_an_order_that_was_made_with_other_terms_is_refused_as_malformed() -> None:
    async def story(app: App) -> None:
        flow = app.flow()
        app.trouble["close"] = never_came
        await app.payer.authorize(flow, SESSION, LUNCH)
        other = structs.replace(LUNCH, wish=structs.replace(WISH, amount_minor=1))
        with pytest.raises(Malformed, match="INVALID_REQUEST"):
            await app.payer.authorize(flow, SESSION, other)
        with pytest.raises(Malformed, match="another amount"):
            await app.payer.query(flow, SESSION, other)
        await flow.join()

    visit(story)


def test_an_answer_that_somebody_else_signed_is_not_believed() -> None:
    async def story(app: App) -> None:
        app.payer = Wechatpay(replace(at(), peer_key=signing_pair("a stranger's")[1]))
        with pytest.raises(Malformed, match="its signature is wrong"):
            await app.payer.authorize(app.flow(), SESSION, LUNCH)

    visit(story)
