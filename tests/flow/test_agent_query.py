"""How an earlier payment stands: asked of its provider, told as it is, and nothing is changed."""

import json

import pytest

from harness.flow.strategy import Strategy, all_strategies
from harness.flow.wish import Wish
from tests.worlds import (
    BASELINE,
    BLOCKED,
    PREWARM,
    TOKEN_CACHE,
    WISH,
    Trouble,
    Troubles,
    Turn,
    Weather,
    answer_lost,
    by_lane,
    model_says,
    never_sent,
    overloaded,
    play,
    query_of,
    receipts,
    refund_of,
    refuses,
    said,
)

STRATEGIES = pytest.mark.parametrize("strategy", all_strategies(), ids=lambda one: one.name)


@STRATEGIES
def test_the_user_is_told_how_the_payment_stands(strategy: Strategy) -> None:
    played = play(strategy, [WISH, 9.0, query_of(), 9.0, refund_of(), 9.0, query_of()])
    assert played.outcomes == ["paid", "ok", "refunded", "ok"]
    assert [said(told) for told in played.told] == ["paid", "paid", "refunded", "refunded"]
    flow = played.flows[1]
    assert (flow.amount_minor, flow.fee_minor, flow.method) == (0, 0, "balance")


@pytest.mark.parametrize(("wish", "stands"), [(WISH, "paid"), (BLOCKED, "declined")])
def test_a_query_changes_nothing_in_the_books(wish: Wish, stands: str) -> None:
    before = play(BASELINE, [wish]).books
    played = play(BASELINE, [wish, 9.0, query_of(), 9.0, query_of()])
    assert played.books == before == [("alice-0", stands)]
    assert [said(told) for told in played.told] == [stands] * 3
    assert len(played.receipts) == 1


@STRATEGIES
def test_a_query_takes_its_calls_one_after_the_other_whatever_the_strategy(
    strategy: Strategy,
) -> None:
    played = play(strategy, [WISH, 9.0, query_of()])
    session_ms = 0 if strategy.token_cache else 400
    assert played.response_ms[1] == 500 + session_ms + 600 + 700
    stages = ["intent", "session", "query", "confirm"]
    if strategy.token_cache:
        stages.remove("session")
    assert played.door.stages(1) == stages
    assert (played.flows[1].corrections, played.flows[1].wasted_prewarms) == (0, 0)


def test_of_two_payments_the_one_that_the_user_names_is_looked_up() -> None:
    played = play(BASELINE, [WISH, 9.0, BLOCKED, 9.0, query_of(0), 9.0, query_of(1)])
    assert [said(told) for told in played.told[2:]] == ["paid", "declined"]


def test_the_provider_that_was_paid_is_asked() -> None:
    weather = Weather(lanes=("wechat-ai", "other"))
    turns: list[Turn] = [by_lane(1), 9.0, by_lane(0), 9.0, query_of(0), 9.0, query_of(1)]
    played = play(BASELINE, turns, weather=weather)
    queried = [seen.path.split("/")[1] for seen in played.door.seen if seen.key.stage == "query"]
    assert queried == ["other", "wechat-ai"]


def test_what_a_lost_payment_came_to_can_be_asked_later() -> None:
    troubles: Troubles = {
        (0, "pay", 1): answer_lost,
        (0, "query", 1): never_sent,
        (0, "reverse", 1): never_sent,
    }
    played = play(BASELINE, [WISH, 9.0, query_of()], troubles=troubles)
    assert played.outcomes == ["unknown", "ok"]
    assert [said(told) for told in played.told] == ["unknown", "paid"]


def test_what_the_provider_says_is_told_whatever_the_agent_remembers() -> None:
    played = play(BASELINE, [WISH, 9.0, query_of()], troubles={(1, "query", 1): receipts("voided")})
    assert (played.receipts[0].outcome, said(played.told[1])) == ("paid", "reversed")


def test_what_the_provider_cannot_tell_is_unknown() -> None:
    troubles: Troubles = {(1, "query", 1): refuses("ORDER_NOT_FOUND")}
    played = play(BASELINE, [WISH, 9.0, query_of()], troubles=troubles)
    assert (played.outcomes[1], said(played.told[1])) == ("ok", "unknown")


@pytest.mark.parametrize("trouble", [never_sent, answer_lost, overloaded])
@pytest.mark.parametrize("stage", ["intent", "session", "query", "confirm"])
def test_a_fault_is_an_error_and_the_chat_goes_on(stage: str, trouble: Trouble) -> None:
    played = play(
        BASELINE, [WISH, 9.0, query_of(), 9.0, query_of()], troubles={(1, stage, 1): trouble}
    )
    assert played.outcomes == ["paid", "error", "ok"]
    assert played.told[1] == ""
    assert played.books == [("alice-0", "paid")]


def test_a_warm_session_is_of_no_use_to_a_query_and_none_is_warmed() -> None:
    played = play(PREWARM, [WISH, 9.0, query_of()])
    assert played.door.stages(1).index("intent") < played.door.stages(1).index("session")


def test_a_kept_session_serves_a_query_too() -> None:
    played = play(TOKEN_CACHE, [WISH, 9.0, query_of(), 9.0, WISH])
    assert played.door.stages().count("session") == 1


def test_the_model_cannot_look_up_another_payment_than_the_user() -> None:
    trouble = model_says(("query_payment", json.dumps({"reference": "txn_1", "wish": ""})))
    troubles: Troubles = {(1, "intent", n): trouble for n in (1, 2)}
    played = play(BASELINE, [WISH, 9.0, query_of()], troubles=troubles)
    assert played.flows[1].fault == "Guarded: the model asked for another reference than the user"
    assert played.door.stages(1) == ["intent", "intent"]
