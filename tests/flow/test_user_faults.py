"""Users who cancel, who take another method, whose devices all ask at once: no money is lost by it,
and nobody is told what is not so."""

import asyncio
from collections import Counter

import pytest

from harness.faults import Fault, Placed
from harness.flow.agent import Agent
from harness.flow.flow import Chat
from harness.flow.retry import Retries
from harness.flow.strategy import Strategy, all_strategies
from harness.flow.wish import SplitWish
from tests.flow.payers.stand import CLIENTS
from tests.flow.struck import Struck, play_struck
from tests.worlds import (
    ALL_THREE,
    BASELINE,
    BLOCKED,
    TOKEN_CACHE,
    WISH,
    Turn,
    query_of,
    refund_of,
    said,
)

STRATEGIES = pytest.mark.parametrize("strategy", all_strategies(), ids=lambda one: one.name)
BILL = SplitWish(10_000, "CNY", "noodles", "balance", ("an", "bo", "chen"))
TAKEN_BACK = {"wechat-ai": "voided", "stripe": "refunded"}
LANES = pytest.mark.parametrize("lane", TAKEN_BACK)
CLIENTS_OF_LANES = [name for name, of in CLIENTS.items() if name == of.lane]
ENDS_WELL = dict.fromkeys(("alipay-v3", "unionpay", "wechatpay"), "ordered")

UNTOLD = [Placed(0, stage, "lost", lasts=3) for stage in ("query", "reverse")]
AFTER = Placed(0, "query", "cancels", attempt=4, lasts=9)
"""Where nothing tells how it stands until the turn is over, and then the user cancels."""

# The user cancels


@pytest.mark.parametrize("stage", ["intent", "session"])
@STRATEGIES
def test_who_cancels_before_the_payment_is_sent_has_nothing_sent(
    strategy: Strategy, stage: str
) -> None:
    struck = play_struck(strategy, [WISH], Placed(0, stage, "cancels"))
    assert (struck.outcomes, said(struck.told[0]), struck.books()) == (["reversed"], "reversed", [])
    assert "pay" not in struck.stages()
    assert struck.world.struck == {("cancels", stage): 1}
    assert (struck.beliefs, struck.breaches) == ([("alice-0", "reversed", False)], [])


@pytest.mark.parametrize("stage", ["pay", "confirm"])
@LANES
@STRATEGIES
def test_who_cancels_after_that_has_it_taken_back(
    strategy: Strategy, lane: str, stage: str
) -> None:
    struck = play_struck(strategy, [WISH], Placed(0, stage, "cancels"), lanes=[lane])
    assert (struck.outcomes, said(struck.told[0])) == (["reversed"], "reversed")
    # A draft may be asked for before the payment is sent: then it was cancelled before that.
    assert struck.books(lane) in ([("alice-0", TAKEN_BACK[lane])], [])
    assert bool(struck.books(lane)) or (stage, strategy.parallel_confirm) == ("confirm", True)
    assert struck.flows[0].fee_minor == 0
    assert struck.breaches == []


def test_a_cancelled_payment_is_waited_for_and_told_without_a_model() -> None:
    struck = play_struck(BASELINE, [WISH], Placed(0, "pay", "cancels"))
    assert struck.stages() == ["intent", "session", "pay", "reverse"]
    assert struck.response_ms == [500 + 400 + 600 + 600]


def test_a_payment_is_not_sealed_anew_for_a_user_who_has_cancelled_meanwhile() -> None:
    placed = Placed(0, "pay", "rotations"), Placed(0, "key", "cancels")
    struck = play_struck(BASELINE, [WISH], *placed)
    (flow,) = struck.flows
    assert [span.stage for span in flow.spans if span.stage in ("pay", "reverse")] == ["pay"]
    assert (flow.outcome, struck.breaches) == ("reversed", [])


@pytest.mark.parametrize("does", ["cancels", "switches"])
@pytest.mark.parametrize("lane", CLIENTS_OF_LANES)
def test_what_was_turned_away_is_not_sent_again_once_the_user_does_not_want_it(
    lane: str, does: Fault
) -> None:
    placed = [Placed(0, "pay", does), Placed(0, "pay", "rate-limits")]
    struck = play_struck(BASELINE, [WISH], *placed, lanes=[lane])
    ends = "reversed" if does == "cancels" else ENDS_WELL.get(lane, "paid")
    assert struck.outcomes == [ends]
    first = [
        entry for entry in struck.host.payments[lane].ledger if not entry.order_no.endswith("s")
    ]
    assert {entry.state for entry in first} <= {"voided"}
    moved = struck.host.payments[lane].ledger.movements
    assert [of.order_no for of in moved if of.moved == "captured"] == (
        ["alice-0-s"] if ends == "paid" else []
    )
    assert struck.breaches == []


def test_nor_where_the_user_cancels_while_the_next_try_is_waited_for() -> None:
    waits = Retries(most=2, pause_s=8.0, left=10.0)

    async def meanwhile(agent: Agent, chat: Chat) -> None:
        async def cancel() -> None:
            while not chat.flows or not chat.flows[0].attempts("pay"):
                await asyncio.sleep(0.1)
            await asyncio.sleep(0.7)
            chat.flows[0].cancelled = True

        meanwhile.task = asyncio.create_task(cancel())  # type: ignore[attr-defined]

    placed = Placed(0, "pay", "rate-limits")
    struck = play_struck(BASELINE, [WISH], placed, retries=waits, meanwhile=meanwhile)
    assert (struck.outcomes, struck.stages().count("pay")) == (["reversed"], 1)
    assert struck.breaches == []


def test_a_confirmation_that_the_user_cancelled_is_not_shown() -> None:
    struck = play_struck(BASELINE, [WISH], Placed(0, "confirm", "cancels"))
    assert struck.stages()[-2:] == ["confirm", "reverse"]
    assert struck.told[0].endswith(": reversed.")


@STRATEGIES
def test_a_declined_payment_needs_no_taking_back(strategy: Strategy) -> None:
    struck = play_struck(strategy, [BLOCKED], Placed(0, "pay", "cancels"))
    assert (struck.outcomes, struck.books()) == (["declined"], [("alice-0", "declined")])
    assert ("reverse" in struck.stages(), struck.breaches) == (False, [])


@pytest.mark.parametrize("fault", ["lost", "timeouts", "cut", "errors"])
@pytest.mark.parametrize("lasts", [1, 5, 9])
@LANES
def test_a_taking_back_that_fails_is_repeated_until_it_is_certain(
    lane: str, lasts: int, fault: Fault
) -> None:
    placed = Placed(0, "reverse", fault, lasts=lasts)
    struck = play_struck(BASELINE, [WISH], Placed(0, "pay", "cancels"), placed, lanes=[lane])
    assert struck.outcomes == ["reversed" if lasts == 1 else "unknown"]
    assert struck.books(lane) == [("alice-0", TAKEN_BACK[lane])]
    assert (struck.beliefs, struck.breaches) == ([("alice-0", "reversed", False)], [])


@pytest.mark.parametrize("stage", ["intent", "session"])
def test_a_refund_that_is_cancelled_before_it_is_sent_is_not_sent(stage: str) -> None:
    turns: list[Turn] = [WISH, 20.0, refund_of()]
    struck = play_struck(BASELINE, turns, Placed(1, stage, "cancels"))
    assert struck.outcomes == ["paid", "reversed"]
    assert struck.told[1] == "You took your wish back in time, and nothing was given back."
    assert (struck.books(), struck.breaches) == ([("alice-0", "paid")], [])


@STRATEGIES
def test_a_refund_that_was_sent_stands_whatever_the_user_does_then(strategy: Strategy) -> None:
    turns: list[Turn] = [WISH, 20.0, refund_of()]
    struck = play_struck(strategy, turns, Placed(1, "refund", "cancels"))
    assert struck.outcomes == ["paid", "refunded"]
    assert said(struck.told[1]) == "refunded"
    assert (struck.books(), struck.breaches) == ([("alice-0", "refunded")], [])


@pytest.mark.parametrize("stage", ["intent", "session", "pay", "confirm"])
@pytest.mark.parametrize("attempt", [1, 2])
@pytest.mark.parametrize("strategy", [BASELINE, ALL_THREE], ids=lambda one: one.name)
def test_a_cancelled_bill_leaves_nobody_charged(
    strategy: Strategy, attempt: int, stage: str
) -> None:
    struck = play_struck(strategy, [BILL], Placed(0, stage, "cancels", attempt))
    # Each of the three has a session and pays a leg; the bill is read and told once.
    made = attempt == 1 or stage in ("session", "pay")
    assert struck.world.struck == ({("cancels", stage): 1} if made else {})
    if made:
        assert (struck.outcomes, said(struck.told[0])) == (["reversed"], "reversed")
        assert {state for _, state in struck.books()} <= {"voided"}
    assert struck.breaches == []


def test_what_a_model_calls_for_after_a_cancel_is_counted_and_not_done() -> None:
    placed = [Placed(0, "confirm", "after-cancel"), Placed(0, "confirm", "cancels")]
    struck = play_struck(BASELINE, [WISH], *placed)
    assert (struck.outcomes, struck.flows[0].guarded) == (["reversed"], 1)
    assert struck.stages() == ["intent", "session", "pay", "confirm", "reverse"]
    assert struck.books() == [("alice-0", "voided")]


@pytest.mark.parametrize("lane", CLIENTS_OF_LANES)
def test_who_asks_after_what_was_taken_back_is_told_that_it_was(lane: str) -> None:
    struck = play_struck(
        BASELINE, [WISH, 20.0, query_of()], Placed(0, "pay", "cancels"), lanes=[lane]
    )
    assert (struck.outcomes, said(struck.told[1])) == (["reversed", "ok"], "reversed")
    assert struck.breaches == []


# The user takes the other method


@STRATEGIES
def test_who_switches_before_paying_pays_once_and_in_a_session_of_the_new_method(
    strategy: Strategy,
) -> None:
    struck = play_struck(strategy, [WISH], Placed(0, "intent", "switches"))
    assert (struck.outcomes, struck.books()) == (["paid"], [("alice-0", "paid")])
    assert "with your card" in struck.told[0]
    assert struck.flows[0].method == "card"
    # What was warmed for the old method is wasted, and is not sent.
    assert struck.flows[0].wasted_prewarms == strategy.prewarm
    assert (struck.host.setting.trail.trespasses, struck.breaches) == ([], [])


@LANES
@STRATEGIES
def test_who_switches_while_paying_is_charged_for_the_second_way_only(
    strategy: Strategy, lane: str
) -> None:
    struck = play_struck(strategy, [WISH], Placed(0, "pay", "switches"), lanes=[lane])
    assert (struck.outcomes, said(struck.told[0])) == (["paid"], "paid")
    assert "with your card" in struck.told[0]
    assert struck.books(lane) == [("alice-0", TAKEN_BACK[lane]), ("alice-0-s", "paid")]
    assert [receipt.payment.order_no for receipt in struck.receipts] == ["alice-0-s"]
    assert struck.flows[0].corrections == strategy.parallel_confirm
    assert struck.breaches == []


@STRATEGIES
@pytest.mark.parametrize("stage", ["intent", "pay"])
def test_with_two_providers_the_switch_is_to_the_other_one(strategy: Strategy, stage: str) -> None:
    lanes = ["wechat-ai", "stripe"]
    struck = play_struck(strategy, [WISH], Placed(0, stage, "switches"), lanes=lanes)
    first = [("alice-0", "voided")] if stage == "pay" else []
    assert struck.books("wechat-ai") == first
    assert struck.books("stripe") == [("alice-0-s" if stage == "pay" else "alice-0", "paid")]
    assert [receipt.lane for receipt in struck.receipts] == [1]
    assert struck.breaches == []


@pytest.mark.parametrize("lasts", [3, 9])
@LANES
def test_without_being_sure_that_the_first_way_is_closed_the_second_is_not_paid(
    lane: str, lasts: int
) -> None:
    placed = [Placed(0, "pay", "switches"), Placed(0, "reverse", "timeouts", lasts=lasts)]
    struck = play_struck(BASELINE, [WISH], *placed, lanes=[lane])
    assert (struck.outcomes, struck.stages().count("pay")) == (["unknown"], 1)
    assert struck.books(lane) == [("alice-0", TAKEN_BACK[lane])]
    assert struck.breaches == []


def test_a_second_way_that_cannot_be_begun_leaves_the_first_taken_back() -> None:
    placed = [Placed(0, "pay", "switches"), Placed(0, "session", "lost", 2, lasts=3)]
    struck = play_struck(BASELINE, [WISH], *placed)
    assert (struck.outcomes, said(struck.told[0])) == (["reversed"], "reversed")
    assert (struck.books(), struck.breaches) == ([("alice-0", "voided")], [])


def test_who_switches_and_cancels_pays_nothing() -> None:
    placed = [Placed(0, "pay", "switches"), Placed(0, "pay", "cancels")]
    struck = play_struck(BASELINE, [WISH], *placed)
    assert (struck.outcomes, struck.books()) == (["reversed"], [("alice-0", "voided")])


def test_who_cancels_the_second_way_too_is_charged_for_neither() -> None:
    placed = [Placed(0, "pay", "switches"), Placed(0, "pay", "cancels", attempt=2)]
    struck = play_struck(BASELINE, [WISH], *placed)
    assert struck.outcomes == ["reversed"]
    assert struck.books() == [("alice-0", "voided"), ("alice-0-s", "voided")]
    assert struck.breaches == []


def test_a_switched_bill_is_shared_by_the_other_method() -> None:
    struck = play_struck(BASELINE, [BILL], Placed(0, "intent", "switches"))
    assert (struck.outcomes, struck.flows[0].method) == (["paid"], "card")
    assert len(struck.books()) == 3
    assert struck.breaches == []


# The user's other devices


def _calls(struck: Struck, turn: int) -> Counter[str]:
    return Counter(struck.stages(turn))


@STRATEGIES
def test_all_devices_together_cost_one_session(strategy: Strategy) -> None:
    struck = play_struck(strategy, [WISH], Placed(0, "intent", "storms"))
    calls = _calls(struck, 0)
    assert calls["session"] + calls["refresh"] == 1
    # There is no payment yet that they could ask after.
    assert (calls["query"], struck.outcomes, struck.breaches) == (0, ["paid"], [])


@STRATEGIES
def test_a_session_that_ran_out_is_refreshed_once_and_each_device_sees_the_last_payment(
    strategy: Strategy,
) -> None:
    struck = play_struck(strategy, [WISH, 20.0, WISH], Placed(1, "intent", "storms"))
    calls = _calls(struck, 1)
    assert (calls["session"], calls["refresh"]) == ((0, 1) if strategy.token_cache else (1, 0))
    assert (calls["query"], struck.outcomes, struck.breaches) == (3, ["paid", "paid"], [])


@STRATEGIES
def test_without_token_caching_no_device_keeps_a_session_for_the_next_turn(
    strategy: Strategy,
) -> None:
    """The turn that the user cancels is over before the session is there."""
    placed = [Placed(0, "intent", "storms"), Placed(0, "intent", "cancels")]
    struck = play_struck(strategy, [WISH, 20.0, WISH], *placed)
    assert struck.outcomes == ["reversed", "paid"]
    calls = _calls(struck, 1)
    assert (calls["session"], calls["refresh"]) == ((0, 0) if strategy.token_cache else (1, 0))


def test_a_storm_shortens_nobodys_turn_and_lengthens_it_by_the_refresh() -> None:
    calm = play_struck(TOKEN_CACHE, [WISH, 20.0, WISH])
    stormy = play_struck(TOKEN_CACHE, [WISH, 20.0, WISH], Placed(1, "intent", "storms"))
    assert stormy.response_ms[1] - calm.response_ms[1] == 400


def test_a_refresh_whose_answer_is_lost_is_not_sent_again_in_a_storm() -> None:
    placed = [Placed(1, "intent", "storms"), Placed(1, "refresh", "timeouts")]
    struck = play_struck(ALL_THREE, [WISH, 20.0, WISH], *placed)
    calls = _calls(struck, 1)
    assert (calls["refresh"], calls["session"]) == (1, 1)
    assert (struck.outcomes, struck.breaches) == (["paid", "paid"], [])


def test_what_comes_after_a_turn_is_over_cancels_nothing() -> None:
    struck = play_struck(BASELINE, [WISH], Placed(0, "pay", "timeouts"), *UNTOLD, AFTER)
    assert (struck.outcomes, struck.world.struck) == (["unknown"], {})
    assert struck.breaches == []


def test_a_session_of_the_storm_is_never_of_another_method() -> None:
    struck = play_struck(
        TOKEN_CACHE,
        [WISH, 20.0, WISH],
        Placed(1, "intent", "storms"),
        Placed(1, "intent", "switches"),
    )
    assert _calls(struck, 1)["query"] == 0  # None was made by card yet.
    assert (struck.outcomes, struck.breaches) == (["paid", "paid"], [])
