"""Paying by Alipay: what happens in which order, to the microsecond, and whom the app believes."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode

import httpx
import msgspec
import pytest

from harness.answer import play
from harness.clock import VirtualClock, run
from harness.flow.flow import Flow, World
from harness.flow.inbox import Inbox
from harness.flow.payers import Payment, Refund, Settlement, sessionless
from harness.flow.payers.alipay_ai import NOTICE_PATIENCE_S, AlipayAi
from harness.flow.wish import Wish
from harness.laws import Lognormal
from harness.providers import alipay_ai as wire
from harness.providers.alipay_ai import trade
from harness.providers.call import Endpoint, Malformed, Overloaded, ProviderFault, Unreachable
from harness.providers.told import decode_draw
from mocks.alipay_ai import AlipayAi as Mock
from mocks.keys import signing_pair
from mocks.profile import PaymentProfile
from mocks.setting import Setting
from tests.mocks.alipay_shop import at, profile

T = TypeVar("T")
SESSION = sessionless("card")
WISH = Wish(4580, "CNY", "noodles", "card")
LUNCH = Payment("alice-0", "alice", WISH)
Answer = Callable[[httpx.Request], Awaitable[httpx.Response]]


@dataclass
class App:
    """An app, its mock, and what a test does to calls and to notices."""

    clock: VirtualClock
    of: PaymentProfile
    at: Endpoint
    calls: list[str] = field(default_factory=list)
    trouble: dict[str, Callable[[httpx.Request, Answer], Awaitable[httpx.Response]]] = field(
        default_factory=dict
    )
    deaf: bool = False

    def __post_init__(self) -> None:
        self.inbox = Inbox("http://app/notices")
        self.mock = Mock(Setting(clock=self.clock, seed=1, deliver=self._deliver), self.of)
        self.payer = AlipayAi(self.at, self.inbox, lambda luck: 4.0)

    def flow(self, turn: int = 0, *, seed: int = 1, think_scale: float = 1.0) -> Flow:
        world = World(
            self.clock, httpx.MockTransport(self._call), seed, 0, True, think_scale, self.inbox
        )
        return Flow(world, 0, turn, self.clock.now(), self.clock.now())

    async def pay(self, payment: Payment = LUNCH, flow: Flow | None = None) -> Settlement:
        settled = await self.payer.authorize(flow or self.flow(), SESSION, payment)
        assert isinstance(settled, Settlement)
        return settled

    async def _call(self, request: httpx.Request) -> httpx.Response:
        key = decode_draw(request.headers)
        assert key is not None
        self.calls.append(key.stage)
        trouble = self.trouble.get(key.stage)
        return await (trouble(request, self._answer) if trouble else self._answer(request))

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        return await play(self.clock, self.mock.decide(request))

    async def _deliver(self, request: httpx.Request) -> httpx.Response:
        if self.deaf:
            raise httpx.ConnectError("connection refused")
        return await self.inbox(request)


def visit(
    story: Callable[[App], Coroutine[Any, Any, T]],
    of: PaymentProfile | None = None,
    where: Endpoint | None = None,
) -> T:
    async def main() -> T:
        return await story(App(VirtualClock(), of or profile(), where or at()))

    return run("virtual", main())


async def answer_lost(request: httpx.Request, answer: Answer) -> httpx.Response:
    await answer(request)
    raise httpx.ReadError("connection reset")


async def overloaded(request: httpx.Request, answer: Answer) -> httpx.Response:
    return httpx.Response(503)


# The order of things


def test_a_payment_is_signed_approved_submitted_and_believed_when_it_is_told() -> None:
    async def story(app: App) -> None:
        flow = app.flow()
        assert await app.pay(flow=flow) == Settlement("paid", 17)
        times = [(span.stage, round(span.start, 6), round(span.end, 6)) for span in flow.spans]
        assert times == [
            ("sign", 0.0, 0.0), ("approve", 0.0, 4.0), ("pay", 4.0, 4.5), ("notify", 4.5, 4.8)
        ]  # fmt: skip
        assert flow.human == pytest.approx(4.0, abs=1e-6)
        assert app.calls == ["pay"]

    visit(story)


def test_there_are_no_sessions_and_nothing_to_fetch() -> None:
    async def story(app: App) -> None:
        flow = app.flow()
        await app.payer.start(flow)
        session = await app.payer.open_session(flow, "alice", "card")
        assert await app.payer.refresh_session(flow, "alice", session) == session
        assert (app.payer.has_sessions, app.calls, flow.spans) == (False, [], [])

    visit(story)


def test_a_decline_is_told_at_once_and_nobody_waits_for_a_notice() -> None:
    async def story(app: App) -> None:
        flow = app.flow()
        blocked = Payment("alice-0", "alice", Wish(4580, "CNY", "payee-blocked", "card"))
        assert await app.pay(blocked, flow) == Settlement("declined")
        assert [span.stage for span in flow.spans] == ["sign", "approve", "pay"]
        assert await app.payer.query(flow, SESSION, blocked) == Settlement("declined")

    visit(story)


def test_a_user_takes_the_same_time_in_every_strategy_and_another_in_the_next_turn() -> None:
    async def story(app: App) -> list[float]:
        app.payer = AlipayAi(app.at, app.inbox, Lognormal(4.0, 15.0).quantile)
        approvals = []
        for n, turn in enumerate((0, 0, 1)):
            flow = app.flow(turn)
            await app.pay(Payment(f"arm{n}-{turn}", f"arm{n}", WISH), flow)
            approvals.append(round(flow.human, 6))
        return approvals

    first, again, other = visit(story)
    assert first == again != other


def test_a_persons_time_is_scaled_as_thinking_is() -> None:
    async def story(app: App) -> None:
        flow = app.flow(think_scale=0.01)
        await app.pay(flow=flow)
        assert flow.human == pytest.approx(0.04, abs=1e-6)

    visit(story)


def test_who_shares_a_bill_approves_in_their_own_time_and_side_by_side() -> None:
    async def story(app: App) -> None:
        app.payer = AlipayAi(app.at, app.inbox, Lognormal(4.0, 15.0).quantile)
        flow = app.flow()
        legs = [Payment(f"alice-0-{n}", f"alice-{n}", WISH, "alice-0", 9160) for n in range(2)]
        settled = await asyncio.gather(*(app.pay(leg, flow) for leg in legs))
        assert settled == [Settlement("paid", 17)] * 2
        took = [span.end - span.start for span in flow.spans if span.stage == "approve"]
        assert len({round(seconds, 6) for seconds in took}) == 2
        assert flow.human == pytest.approx(max(took))

    visit(story)


def test_what_the_app_signs_is_what_the_user_wished() -> None:
    async def story(app: App) -> None:
        await app.pay(Payment("alice-0", "alice", Wish(5, "USD", "茶 & co", "balance")))
        (entry,) = app.mock.ledger
        assert entry.terms is not None
        assert (entry.terms.amount_minor, entry.terms.currency) == (5, "USD")
        assert (entry.terms.payee, entry.terms.user) == ("茶 & co", "alice")
        assert entry.terms.method == "balance"

    visit(story)


# When things go wrong


def test_when_no_notice_comes_in_time_the_app_asks_and_never_pays_again() -> None:
    async def story(app: App) -> None:
        app.deaf = True
        flow = app.flow()
        assert await app.pay(flow=flow) == Settlement("paid", 17)
        assert app.calls == ["pay", "query"]
        notify = next(span for span in flow.spans if span.stage == "notify")
        assert notify.status == 0
        assert notify.end - notify.start == pytest.approx(NOTICE_PATIENCE_S, abs=1e-6)

    visit(story)


def test_when_nobody_can_tell_how_the_payment_stands_it_is_left_open() -> None:
    async def story(app: App) -> None:
        app.deaf = True
        app.trouble["query"] = overloaded
        with pytest.raises(Overloaded):
            await app.pay()
        assert app.calls == ["pay", "query"]

    visit(story)


def test_a_lost_answer_leaves_it_open_whether_money_moved() -> None:
    async def story(app: App) -> None:
        app.trouble["pay"] = answer_lost
        with pytest.raises(Unreachable):
            await app.pay()
        assert app.calls == ["pay"]
        assert await app.payer.query(app.flow(), SESSION, LUNCH) == Settlement("paid", 17)

    visit(story)


def test_an_order_that_was_paid_before_is_asked_after_and_not_waited_for() -> None:
    async def story(app: App) -> None:
        await app.pay()
        assert await app.pay() == Settlement("paid", 17)
        assert app.calls == ["pay", "pay", "query"]
        assert [entry.state for entry in app.mock.ledger] == ["paid"]

    visit(story)


def test_an_order_that_is_refused_is_no_decline() -> None:
    async def story(app: App) -> None:
        await app.payer.void(app.flow(), SESSION, LUNCH)
        with pytest.raises(Malformed, match=r"ACQ.TRADE_HAS_CLOSE"):
            await app.pay()

    visit(story)


@pytest.mark.parametrize(
    "where",
    [
        Endpoint(at().base_url, signing_pair("a stranger")[0], at().account, at().peer_key),
        Endpoint(at().base_url, at().key, at().account, signing_pair("a stranger")[1]),
    ],
    ids=["our key is unknown", "the answer is another's"],
)
def test_keys_that_do_not_fit_are_a_fault_of_the_turn(where: Endpoint) -> None:
    async def story(app: App) -> None:
        for call in (app.pay(), app.payer.query(app.flow(), SESSION, LUNCH)):
            with pytest.raises(ProviderFault):
                await call

    visit(story, where=where)


# Notices


NOTICE = trade.Notice(
    notify_id="n-1",
    app_id=at().account,
    out_trade_no="alice-0",
    trade_no="2026",
    trade_status="TRADE_SUCCESS",
    total_amount="45.80",
    seller_id="noodles",
)


def notice(owner: str = "alipay", **changed: str) -> httpx.Request:
    told = msgspec.structs.replace(NOTICE, **changed)
    private_pem = signing_pair(owner)[0]
    return wire.encode_notice("http://app/notices/alipay-ai", told, "2026-11-23", private_pem)


def tampered() -> httpx.Request:
    form = dict(parse_qsl(notice().content.decode()))
    body = urlencode({**form, "total_amount": "0.01"}).encode()
    return httpx.Request("POST", "http://app/notices/alipay-ai", content=body)


FORGED = {
    "signed by a stranger": notice("a stranger"),
    "signed by the app": notice("alipay-app"),
    "changed on its way": tampered(),
    "of another app": notice(app_id="2021"),
    "of another amount": notice(total_amount="45.8"),
    "to another seller": notice(seller_id="tea-house"),
    "of an order that was never made": notice(out_trade_no="alice-1"),
    "no form": httpx.Request("POST", "http://app/notices/alipay-ai", content=b"\xff{}"),
}


@pytest.mark.parametrize("why", FORGED)
def test_a_notice_that_is_not_to_be_believed_is_refused_and_changes_nothing(why: str) -> None:
    async def story(app: App) -> None:
        paying = asyncio.create_task(app.pay())
        await asyncio.sleep(1.0)
        answer = await app.inbox(FORGED[why])
        assert (answer.status_code, answer.content) == (200, b"failure")
        assert await paying == Settlement("paid", 17)
        assert round(app.clock.now(), 6) == 4.8
        assert (app.inbox.forged, app.inbox.repeated) == (1, 0)

    visit(story)


def test_a_notice_that_comes_twice_is_taken_twice_and_told_once() -> None:
    once = profile().webhook
    assert once is not None
    webhook = msgspec.structs.replace(once, twice_share=1.0)

    async def story(app: App) -> None:
        assert await app.pay() == Settlement("paid", 17)
        await asyncio.sleep(1e5)
        assert (app.inbox.repeated, app.inbox.forged) == (1, 0)

    visit(story, msgspec.structs.replace(profile(), webhook=webhook))


@pytest.mark.parametrize(
    ("changed", "outcome"),
    [
        ({}, "paid"),
        ({"trade_status": "TRADE_FINISHED"}, "paid"),
        ({"trade_status": "TRADE_CLOSED"}, "declined"),
        ({"trade_status": "TRADE_CLOSED", "refund_fee": "45.80"}, "refunded"),
        ({"refund_fee": "1.00"}, "refunded"),
        # Of no end yet: then the trade is asked after.
        ({"trade_status": "WAIT_BUYER_PAY"}, "paid"),
    ],
)
def test_a_notice_says_how_the_trade_stands(changed: dict[str, str], outcome: str) -> None:
    async def story(app: App) -> None:
        app.deaf = True
        paying = asyncio.create_task(app.pay())
        await asyncio.sleep(5.0)
        answer = await app.inbox(notice(**changed, charge_amount="0.17"))
        assert answer.content == b"success"
        settled = await paying
        assert (settled.outcome, settled.fee_minor) == (outcome, 17)

    visit(story)


# Query, void, refund


def test_a_payment_that_nobody_knows_or_that_waits_cannot_be_told_of() -> None:
    async def story(app: App) -> None:
        assert await app.payer.query(app.flow(), SESSION, LUNCH) is None
        waits = trade.Precreate(out_trade_no="alice-0", total_amount="45.80", subject="lunch")
        app.mock.decide(wire.ask(app.at, waits, "2026-11-23 08:00:00").request)
        assert await app.payer.query(app.flow(), SESSION, LUNCH) is None

    visit(story)


def test_a_trade_of_another_amount_is_not_the_payment() -> None:
    async def story(app: App) -> None:
        await app.pay()
        other = Payment("alice-0", "alice", Wish(4581, "CNY", "noodles", "card"))
        with pytest.raises(Malformed, match="another amount"):
            await app.payer.query(app.flow(), SESSION, other)

    visit(story)


def test_a_void_takes_a_payment_back_for_good_even_before_it_came() -> None:
    async def story(app: App) -> None:
        flow = app.flow()
        await app.pay()
        assert await app.payer.void(flow, SESSION, LUNCH) is True
        assert await app.payer.void(flow, SESSION, LUNCH) is True
        assert await app.payer.query(flow, SESSION, LUNCH) == Settlement("refunded", 0)
        late = Payment("alice-1", "alice", WISH)
        assert await app.payer.void(flow, SESSION, late) is True
        assert [entry.state for entry in app.mock.ledger] == ["voided", "voided"]
        assert {span.stage for span in flow.spans} == {"reverse", "query"}

    visit(story)


def test_what_is_partly_given_back_cannot_be_voided() -> None:
    async def story(app: App) -> None:
        await app.pay()
        await app.payer.refund(app.flow(), SESSION, LUNCH, Refund("r-1", 80))
        assert await app.payer.void(app.flow(), SESSION, LUNCH) is False

    visit(story)


def test_a_refund_is_made_once_and_never_above_the_payment() -> None:
    async def story(app: App) -> None:
        flow = app.flow()
        await app.pay()
        for _ in range(2):
            part = await app.payer.refund(flow, SESSION, LUNCH, Refund("r-1", 4000))
            assert part == Settlement("refunded", 17)
        assert await app.payer.query(flow, SESSION, LUNCH) == Settlement("paid", 17)
        for refund in (Refund("r-2", 581), Refund("r-1", 4001)):
            forbidden = await app.payer.refund(flow, SESSION, LUNCH, refund)
            assert forbidden == Settlement("declined")
        rest = await app.payer.refund(flow, SESSION, LUNCH, Refund("r-2", 580))
        assert rest == Settlement("refunded", 17)
        assert await app.payer.query(flow, SESSION, LUNCH) == Settlement("refunded", 17)

    visit(story)


def test_a_refund_of_no_payment_is_declined_and_one_of_nothing_is_our_mistake() -> None:
    async def story(app: App) -> None:
        flow = app.flow()
        nothing = await app.payer.refund(flow, SESSION, LUNCH, Refund("r-1", 1))
        assert nothing == Settlement("declined")
        await app.pay()
        with pytest.raises(Malformed, match=r"ACQ.INVALID_PARAMETER"):
            await app.payer.refund(flow, SESSION, LUNCH, Refund("r-1", 0))

    visit(story)
