"""When calls go wrong: money moves at most once, and the user is told nothing but what is final."""

import msgspec
import pytest

from harness.flow.strategy import Strategy, all_strategies
from harness.flow.wish import Wish
from harness.providers import wechat_ai
from tests.worlds import (
    ALL_THREE,
    BASELINE,
    BLOCKED,
    PARALLEL,
    PREWARM,
    TOKEN_CACHE,
    WISH,
    Straggler,
    Trouble,
    Troubles,
    Weather,
    answer_lost,
    never_sent,
    overloaded,
    play,
    receipts,
    refuses,
    said,
)

STRATEGIES = pytest.mark.parametrize("strategy", all_strategies(), ids=lambda one: one.name)
PATIENCE_MS = 30_000


def _lost_forever(*stages: str) -> Troubles:
    return {(0, stage, 1): never_sent for stage in stages}


# Sessions that fail to open


@pytest.mark.parametrize("trouble", [never_sent, overloaded, refuses("APP_UNKNOWN")])
def test_a_failed_prewarm_falls_back_to_a_session_when_it_is_needed(trouble: Trouble) -> None:
    played = play(PREWARM, [WISH], troubles={(0, "session", 1): trouble})
    assert (played.outcomes, played.response_ms) == (["paid"], [2200])
    assert sorted(played.door.stages()) == ["confirm", "intent", "pay", "session", "session"]
    assert played.flows[0].wasted_prewarms == 0


@STRATEGIES
def test_no_session_at_all_is_an_error_and_the_chat_goes_on(strategy: Strategy) -> None:
    troubles: Troubles = {(0, "session", 1): never_sent, (0, "session", 2): never_sent}
    played = play(strategy, [WISH, 20.0, WISH], troubles=troubles)
    assert played.outcomes == ["error", "paid"]
    assert played.told[0] == ""
    assert played.flows[0].fault == "Unreachable: ConnectError: connection refused"
    assert played.books == [("alice-1", "paid")]


# Declines


@STRATEGIES
def test_a_decline_is_told_as_a_decline(strategy: Strategy) -> None:
    played = play(strategy, [BLOCKED, 20.0, WISH])
    assert played.outcomes == ["declined", "paid"]
    assert [said(told) for told in played.told] == ["declined", "paid"]
    assert played.books == [("alice-0", "declined"), ("alice-1", "paid")]
    assert [flow.fee_minor for flow in played.flows] == [0, 27]


@pytest.mark.parametrize("confirm", [0.2, 0.7, 9.0])
def test_a_decline_costs_parallel_confirm_its_draft_and_one_correction(confirm: float) -> None:
    played = play(PARALLEL, [BLOCKED], weather=Weather(confirm=confirm))
    flow = played.flows[0]
    assert flow.corrections == 1
    assert played.door.stages().count("confirm") == 2
    # The draft is left to end unread, however long it takes.
    assert played.response_ms == [round((0.5 + 0.4 + 0.6 + confirm) * 1e3, 3)]
    assert sorted(span.attempt for span in flow.spans if span.stage == "confirm") == [1, 2]


@pytest.mark.parametrize("strategy", [BASELINE, PREWARM, TOKEN_CACHE])
def test_a_serial_confirmation_is_never_corrected(strategy: Strategy) -> None:
    played = play(strategy, [BLOCKED])
    assert played.flows[0].corrections == 0
    assert played.door.stages().count("confirm") == 1


# Payments whose answer never comes


@STRATEGIES
def test_a_payment_that_timed_out_after_its_commit_is_found_and_paid_once(
    strategy: Strategy,
) -> None:
    played = play(strategy, [WISH], troubles={(0, "pay", 1): answer_lost})
    assert played.outcomes == ["paid"]
    assert played.books == [("alice-0", "paid")]
    assert played.door.stages().count("pay") == played.door.stages().count("query") == 1
    assert "reverse" not in played.door.stages()
    assert played.flows[0].fee_minor == 27
    assert said(played.told[0]) == "paid"


def test_a_timeout_costs_its_patience_and_a_query() -> None:
    played = play(BASELINE, [WISH], troubles={(0, "pay", 1): answer_lost})
    assert played.response_ms == [500 + 400 + PATIENCE_MS + 600 + 700]
    assert [span.status for span in played.flows[0].spans if span.stage == "pay"] == [0]


@pytest.mark.parametrize("trouble", [never_sent, overloaded])
@STRATEGIES
def test_a_payment_that_never_arrived_is_voided(strategy: Strategy, trouble: Trouble) -> None:
    played = play(strategy, [WISH], troubles={(0, "pay", 1): trouble})
    assert (played.outcomes, said(played.told[0])) == (["reversed"], "reversed")
    assert played.books == [("", "voided")]
    assert played.flows[0].fee_minor == 0


@STRATEGIES
def test_a_payment_that_arrives_after_it_was_given_up_is_refused(strategy: Strategy) -> None:
    straggler = Straggler(after_s=100.0)
    played = play(strategy, [WISH], troubles={(0, "pay", 1): straggler}, after_s=200.0)
    assert (played.outcomes, said(played.told[0])) == (["reversed"], "reversed")
    assert [_code(answer) for answer in straggler.answers] == ["ORDER_CLOSED"]
    assert played.books == [("", "voided")]


def test_a_payment_that_arrives_before_the_query_is_paid_once() -> None:
    # 30 s of patience, then 0.1 s: the straggler is booked while the query is still under way.
    straggler = Straggler(after_s=29.9)
    played = play(BASELINE, [WISH], troubles={(0, "pay", 1): straggler}, after_s=200.0)
    assert (played.outcomes, played.books) == (["paid"], [("alice-0", "paid")])


@pytest.mark.parametrize("query", [never_sent, answer_lost, overloaded])
def test_a_query_that_fails_is_followed_by_a_void(query: Trouble) -> None:
    troubles: Troubles = {(0, "pay", 1): answer_lost, (0, "query", 1): query}
    played = play(BASELINE, [WISH], troubles=troubles)
    assert (played.outcomes, said(played.told[0])) == (["reversed"], "reversed")
    assert played.books == [("alice-0", "voided")]
    assert played.flows[0].fee_minor == 0


@STRATEGIES
def test_when_nothing_works_the_outcome_is_unknown_and_told_so(strategy: Strategy) -> None:
    played = play(strategy, [WISH, 20.0, WISH], troubles=_lost_forever("pay", "query", "reverse"))
    assert played.outcomes == ["unknown", "paid"]
    assert [said(told) for told in played.told] == ["unknown", "paid"]


def test_a_refused_void_leaves_it_unknown() -> None:
    troubles: Troubles = {
        (0, "pay", 1): answer_lost,
        (0, "query", 1): overloaded,
        (0, "reverse", 1): refuses("ORDER_CLOSED"),
    }
    assert play(BASELINE, [WISH], troubles=troubles).outcomes == ["unknown"]


@pytest.mark.parametrize(
    ("state", "outcome"),
    [("voided", "reversed"), ("paid", "unknown"), ("declined", "unknown"), ("refunded", "unknown")],
)
def test_only_a_receipt_that_says_voided_is_a_reversal(
    state: wechat_ai.State, outcome: str
) -> None:
    troubles: Troubles = {
        (0, "pay", 1): answer_lost,
        (0, "query", 1): overloaded,
        (0, "reverse", 1): receipts(state),
    }
    assert play(BASELINE, [WISH], troubles=troubles).outcomes == [outcome]


@pytest.mark.parametrize(
    ("state", "outcome"),
    [("voided", "reversed"), ("paid", "paid"), ("declined", "declined"), ("refunded", "refunded")],
)
def test_the_outcome_is_what_the_query_finds(state: wechat_ai.State, outcome: str) -> None:
    troubles: Troubles = {(0, "pay", 1): answer_lost, (0, "query", 1): receipts(state)}
    played = play(BASELINE, [WISH], troubles=troubles)
    assert played.outcomes == [outcome]
    assert "reverse" not in played.door.stages()


def test_a_token_that_ran_out_during_the_patience_does_not_leave_a_payment_unknown() -> None:
    short_lived = Weather(lifetime=20.0)
    played = play(TOKEN_CACHE, [WISH], weather=short_lived, troubles={(0, "pay", 1): answer_lost})
    assert (played.outcomes, played.books) == (["paid"], [("alice-0", "paid")])
    assert played.door.stages() == ["intent", "session", "pay", "refresh", "query", "confirm"]


@pytest.mark.parametrize(
    "code", ["DUPLICATE_ORDER", "ORDER_CLOSED", "BAD_SEAL", "TOKEN_MISMATCH", "MALFORMED_REQUEST"]
)
def test_a_refusal_that_is_no_decline_is_looked_into(code: wechat_ai.RefusalCode) -> None:
    played = play(BASELINE, [WISH], troubles={(0, "pay", 1): refuses(code)})
    assert played.outcomes == ["reversed"]
    assert played.door.stages() == ["intent", "session", "pay", "query", "reverse", "confirm"]


# Models that fail


@pytest.mark.parametrize("trouble", [never_sent, overloaded, answer_lost])
@STRATEGIES
def test_no_intent_is_an_error_without_a_payment_and_the_chat_goes_on(
    strategy: Strategy, trouble: Trouble
) -> None:
    played = play(strategy, [WISH, 20.0, WISH], troubles={(0, "intent", 1): trouble})
    assert (played.outcomes, played.told[0]) == (["error", "paid"], "")
    assert not {"pay", "confirm"} & set(played.door.stages(0))
    assert played.books == [("alice-1", "paid")]
    assert played.flows[0].wasted_prewarms == strategy.prewarm


@pytest.mark.parametrize("trouble", [never_sent, overloaded, answer_lost])
@STRATEGIES
def test_no_confirmation_is_an_error_but_the_payment_is_told_kept_and_booked(
    strategy: Strategy, trouble: Trouble
) -> None:
    played = play(strategy, [WISH, 20.0, WISH], troubles={(0, "confirm", 1): trouble})
    assert played.outcomes == ["error", "paid"]
    reference = played.receipts[0].reference
    assert played.told[0] == f"Payment {reference}: 45.80 CNY to noodles with balance: paid."
    assert [receipt.outcome for receipt in played.receipts] == ["paid", "paid"]
    assert played.books == [("alice-0", "paid"), ("alice-1", "paid")]
    assert [flow.fee_minor for flow in played.flows] == [27, 27]


# What the user is told

ENDINGS: dict[str, tuple[Wish, Troubles]] = {
    "paid": (WISH, {}),
    "declined": (BLOCKED, {}),
    "timed out after commit": (WISH, {(0, "pay", 1): answer_lost}),
    "never arrived": (WISH, {(0, "pay", 1): never_sent}),
    "voided after commit": (WISH, {(0, "pay", 1): answer_lost, (0, "query", 1): overloaded}),
    "never settled": (WISH, _lost_forever("pay", "query", "reverse")),
}


@pytest.mark.parametrize("confirm", [0.1, 0.7, 29.0])
@pytest.mark.parametrize("ending", ENDINGS)
@STRATEGIES
def test_the_user_is_told_paid_only_when_the_payment_is_final(
    strategy: Strategy, ending: str, confirm: float
) -> None:
    wish, troubles = ENDINGS[ending]
    played = play(strategy, [wish], weather=Weather(confirm=confirm), troubles=troubles)
    flow = played.flows[0]
    assert said(played.told[0]) == flow.outcome
    assert (flow.outcome == "paid") == ([state for _, state in played.books] == ["paid"])
    settled = [span.end for span in flow.spans if span.stage in ("pay", "query", "reverse")]
    assert flow.end is not None
    assert flow.end >= max(settled)


def test_a_draft_is_held_back_until_the_payment_is_final() -> None:
    slow_payment = Weather(pay=10.0, confirm=0.1)
    assert play(PARALLEL, [WISH], weather=slow_payment).response_ms == [500 + 400 + 10_000]
    assert play(ALL_THREE, [WISH], weather=slow_payment).response_ms == [500 + 10_000]


class _Reply(msgspec.Struct):
    ret: str


def _code(answer: bytes) -> str:
    return msgspec.json.decode(answer, type=_Reply).ret
