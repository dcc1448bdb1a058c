"""Notices that go wrong: when each one comes, and whom the app believes, to the microsecond."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx
import pytest

from harness.clock import VirtualClock, run
from harness.faults import Fault, Placed
from harness.flow.payers import Refund, Settlement
from harness.providers.alipay_ai import NOT_TAKEN, TAKEN
from harness.providers.told import DrawKey
from mocks.courier import Courier
from mocks.faults.notices import LATE_S, MOST_HELD_S
from mocks.latency import Delays
from tests.mocks.struck import LUNCH, Till, at_till
from tests.mocks.test_courier import AFTER_S, TERMS, App, key, misread, notice, taken

PAY = key()
REFUND = DrawKey(0, 0, 0, "refund", 1)
USUAL_S = AFTER_S + 0.3


@dataclass
class Post:
    """A courier and its app, with faults that strike each notice of a stage "pay"."""

    faults: tuple[Fault, ...]
    app: App = field(default_factory=App)
    asked: list[Fault] = field(default_factory=list)

    def courier(self) -> Courier:
        delays = Delays(1, "any")
        return Courier(VirtualClock(), delays, TERMS, self.app, taken, 1.0, self._strikes)

    def _strikes(self, fault: Fault, of: DrawKey) -> bool:
        self.asked.append(fault)
        return of.stage == "pay" and fault in self.faults


def carried(
    *faults: Fault,
    after_s: float | None = None,
    make: Callable[[], httpx.Request | None] = notice,
    app: App | None = None,
) -> list[tuple[float, str]]:
    """What the app got of one payment, and of its refund `after_s` later, which it takes ten
    seconds later still to be told."""
    post = Post(faults, app or App())

    async def main() -> None:
        courier = post.courier()
        forge = lambda: [notice("forged"), notice("broken")]  # noqa: E731
        courier.send(PAY, "paid", AFTER_S, make, order_no="o-1", forge=forge)
        if after_s is not None:
            await asyncio.sleep(after_s)
            at = VirtualClock().now()
            courier.send(REFUND, "back", at, partial(notice, "back"), order_no="o-1")
            courier.send(REFUND, "other", at, partial(notice, "other"), order_no="o-2")
        await asyncio.sleep(1e6)
        assert (courier.under_way, courier._held) == (0, {})

    run("virtual", main())
    return post.app.seen


TABLE: list[tuple[tuple[Fault, ...], list[tuple[float, str]]]] = [
    ((), [(USUAL_S, "paid")]),
    (("notices-twice",), [(USUAL_S, "paid"), (USUAL_S, "paid")]),
    (("notices-lost",), []),
    (("notices-early",), [(0.0, "paid")]),
    (("notices-late",), [(USUAL_S + LATE_S, "paid")]),
    (("notices-reordered",), [(USUAL_S + MOST_HELD_S, "paid")]),
    (("notices-forged",), [(AFTER_S, "forged"), (AFTER_S, "broken"), (USUAL_S, "paid")]),
    (("notices-lost", "notices-forged"), [(AFTER_S, "forged"), (AFTER_S, "broken")]),
    (("notices-twice", "notices-early"), [(0.0, "paid"), (0.0, "paid")]),
    (("notices-reordered", "notices-late"), [(USUAL_S + LATE_S + MOST_HELD_S, "paid")]),
]


@pytest.mark.parametrize(("faults", "seen"), TABLE, ids=lambda of: " ".join(map(str, of)))
def test_a_notice_comes_as_its_faults_have_it(
    faults: tuple[Fault, ...], seen: list[tuple[float, str]]
) -> None:
    assert carried(*faults) == seen


@pytest.mark.parametrize(
    ("after_s", "held_until_s"),
    [(30.0, 30.3), (100.0, 100.3), (1000.0, USUAL_S + MOST_HELD_S)],
)
def test_a_notice_is_overtaken_by_the_next_of_its_order_alone(
    after_s: float, held_until_s: float
) -> None:
    seen = carried("notices-reordered", after_s=after_s)
    back_s = after_s + 0.3
    ours = [(time, text) for time, text in seen if text != "other"]
    assert sorted(ours) == sorted([(back_s, "back"), (held_until_s, "paid")])
    assert ours == ([(back_s, "back"), (held_until_s, "paid")] if after_s < 300 else ours)


def test_a_lost_notice_overtakes_none() -> None:
    post = Post(("notices-reordered",))

    async def main() -> None:
        courier = post.courier()
        courier.send(PAY, "paid", AFTER_S, notice, order_no="o-1")
        post.faults = ("notices-lost",)
        courier.send(key(1), "paid", AFTER_S, notice, order_no="o-1")
        await asyncio.sleep(1e6)

    run("virtual", main())
    assert post.app.seen == [(USUAL_S + MOST_HELD_S, "paid")]


def test_early_news_that_nobody_has_yet_comes_in_its_time() -> None:
    """Of a payment that waits for its user's password there is nothing to tell at first."""

    def make() -> httpx.Request | None:
        return notice() if VirtualClock().now() >= AFTER_S else None

    assert carried("notices-early", make=make) == [(USUAL_S, "paid")]


def test_an_early_notice_that_is_not_taken_is_tried_again() -> None:
    app = App(answers=[misread])
    assert carried("notices-early", app=app) == [(0.0, "paid"), (15.0, "paid")]


def test_nobody_tries_a_forgery_twice() -> None:
    app = App(answers=[misread, misread])
    assert [text for _, text in carried("notices-forged", app=app)] == ["forged", "broken", "paid"]


def test_a_notice_that_nobody_can_forge_is_not_struck_by_it() -> None:
    post = Post(("notices-forged",))

    async def main() -> None:
        post.courier().send(PAY, "paid", AFTER_S, notice)
        await asyncio.sleep(100.0)

    run("virtual", main())
    assert post.app.seen == [(USUAL_S, "paid")]
    assert "notices-forged" not in post.asked


# Through the wire, the payer and the inbox


def struck(*faults: Fault) -> list[Placed]:
    return [Placed(0, "pay", fault) for fault in faults]


@pytest.mark.parametrize(
    ("fault", "took_s", "stages"),
    [
        ("notices-twice", 0.3, []),
        ("notices-early", 0.0, []),
        ("notices-forged", 0.3, []),
        ("notices-lost", 10.5, ["query"]),
        ("notices-late", 10.5, ["query"]),
        ("notices-reordered", 10.5, ["query"]),
    ],
)
def test_a_payment_is_told_truly_whatever_becomes_of_its_notice(
    fault: Fault, took_s: float, stages: list[str]
) -> None:
    """By the notice, or by asking where none comes in time."""

    async def story(till: Till) -> None:
        flow = till.turn()
        assert await till.pay(flow) == Settlement("paid", 17)
        names = [span.stage for span in flow.spans]
        assert names == ["sign", "approve", "pay", "notify", *stages]
        ended_s = next(span.end for span in flow.spans if span.stage == "pay")
        assert till.clock.now() - ended_s == pytest.approx(took_s, abs=1e-6)
        assert till.struck == [(fault, "pay", 1)]

    at_till("alipay-ai", struck(fault), story)


def test_early_means_before_the_answer() -> None:
    async def story(till: Till) -> None:
        await till.pay(till.turn())
        assert till.heard == [(4.0, TAKEN)]
        assert till.clock.now() == pytest.approx(4.5, abs=1e-6)

    at_till("alipay-ai", struck("notices-early"), story)


def test_a_forged_notice_is_refused_and_hides_no_true_one() -> None:
    async def story(till: Till) -> None:
        await till.pay(till.turn())
        assert till.heard == [(4.5, NOT_TAKEN), (4.5, NOT_TAKEN), (4.8, TAKEN)]
        assert (till.inbox.forged, till.inbox.repeated, till.states) == (2, 0, ["paid"])

    at_till("alipay-ai", struck("notices-forged"), story)


def test_news_that_comes_twice_is_told_once() -> None:
    async def story(till: Till) -> None:
        flow = till.turn()
        await till.pay(flow)
        await till.wait(600.0)
        assert (len(till.heard), till.inbox.repeated) == (2, 1)
        assert await flow.notice("alipay-ai", LUNCH.order_no, patience_s=100.0) is None

    at_till("alipay-ai", struck("notices-twice"), story)


@pytest.mark.parametrize("fault", ["notices-reordered", "notices-late"])
@pytest.mark.parametrize("undone", ["refunded", "voided"])
def test_late_news_never_turns_money_that_is_back_into_a_payment(fault: Fault, undone: str) -> None:
    async def story(till: Till) -> None:
        flow = till.turn()
        await till.pay(flow)
        later = till.turn(1)
        session = await till.session(later)
        if undone == "voided":
            assert await till.payer.void(later, session, LUNCH)
        else:
            await till.payer.refund(later, session, LUNCH, Refund("back-1", 4580))
        await till.wait(600.0)
        assert (till.states, len(till.heard)) == ([undone], 2)
        told = await later.notice("alipay-ai", LUNCH.order_no, patience_s=100.0)
        assert told is not None
        assert told.outcome == "refunded"
        assert await later.notice("alipay-ai", LUNCH.order_no, patience_s=100.0) is None
        assert till.inbox.outdated == 1

    at_till("alipay-ai", struck(fault), story)


def test_no_fault_strikes_a_payment_that_is_declined() -> None:
    """Of it nobody is told anything."""

    async def story(till: Till) -> Any:
        poor = "broke"
        flow = till.turn()
        payment = type(LUNCH)(LUNCH.order_no, poor, LUNCH.wish)
        told = await till.payer.authorize(flow, await till.session(flow), payment)
        assert told == Settlement("declined")
        assert (till.struck, till.heard) == ([], [])

    at_till("alipay-ai", struck("notices-forged", "notices-twice"), story)
