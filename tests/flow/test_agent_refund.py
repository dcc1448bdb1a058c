"""Money back: given once, never more than was paid, and only if the model finds it due."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.flow import facts
from harness.flow.strategy import Strategy, all_strategies
from harness.providers import wechat_ai
from mocks.host import KEY
from tests.worlds import (
    BASELINE,
    BLOCKED,
    PARALLEL,
    PREWARM,
    TOKEN_CACHE,
    WISH,
    Played,
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
    refund_of,
    refuses,
    said,
)

STRATEGIES = pytest.mark.parametrize("strategy", all_strategies(), ids=lambda one: one.name)
BUY_AND_RETURN: list[Turn] = [WISH, 20.0, refund_of()]


def _refunds(played: Played) -> list[dict[str, int]]:
    return [entry.refunds for entry in played.entries()]


def _verdict(approve: bool) -> Trouble:
    return model_says(text=json.dumps({"approve": approve, "why": "as the terms say"}))


@STRATEGIES
def test_a_refund_gives_back_what_was_paid_and_says_so(strategy: Strategy) -> None:
    played = play(strategy, BUY_AND_RETURN)
    assert played.outcomes == ["paid", "refunded"]
    assert [said(told) for told in played.told] == ["paid", "refunded"]
    assert "45.80 CNY" in played.told[1]
    assert played.books == [("alice-0", "refunded")]
    assert _refunds(played) == [{"alice-0-r1": 4580}]
    flow = played.flows[1]
    assert (flow.amount_minor, flow.currency, flow.method) == (4580, "CNY", "balance")
    assert (flow.fee_minor, flow.corrections, flow.guarded) == (0, 0, 0)


WEATHERS = {
    "usual": Weather(),
    "the session outlasts both models": Weather(session=3.0),
    "the confirmation outlasts the refund": Weather(confirm=2.0),
}


@STRATEGIES
@pytest.mark.parametrize("weather", WEATHERS.values(), ids=WEATHERS.keys())
def test_a_refund_takes_exactly_what_its_calls_take(strategy: Strategy, weather: Weather) -> None:
    played = play(strategy, BUY_AND_RETURN, weather=weather)
    decided = weather.intent + weather.reason
    session = 0.0 if strategy.token_cache else weather.session
    in_session = max(decided, session) if strategy.prewarm else decided + session
    given_back = in_session + weather.pay
    drafted = decided + weather.confirm
    parallel = strategy.parallel_confirm
    answered = max(given_back, drafted) if parallel else given_back + weather.confirm
    assert played.response_ms[1] == round(answered * 1e3, 3)


def test_the_calls_of_a_refund() -> None:
    played = play(TOKEN_CACHE, BUY_AND_RETURN)
    assert played.door.stages(1) == ["intent", "reason", "refund", "confirm"]
    assert [flow.cold for flow in played.flows] == [True, False]


# What the models say


@STRATEGIES
def test_what_the_model_does_not_approve_is_not_given_back(strategy: Strategy) -> None:
    played = play(strategy, BUY_AND_RETURN, troubles={(1, "reason", 1): _verdict(False)})
    assert played.outcomes == ["paid", "declined"]
    assert said(played.told[1]) == "declined"
    assert "refund" not in played.door.stages(1)
    assert played.books == [("alice-0", "paid")]
    assert played.flows[1].corrections == strategy.parallel_confirm
    warmed = strategy.prewarm and not strategy.token_cache
    assert played.flows[1].wasted_prewarms == warmed


def test_the_model_that_reasons_gets_the_complaint_and_no_name_number_or_token() -> None:
    played = play(BASELINE, BUY_AND_RETURN)
    (prompt,) = (body.decode() for body in played.door.bodies("reason"))
    asked = json.loads(prompt)
    reference = played.receipts[0].reference
    assert asked["messages"][-1]["content"] == (
        f"Payment {reference}: 45.80 CNY to noodles. Asked back: 45.80 CNY. "
        "The user says: The tea was cold."
    )
    assert asked["response_format"]["type"] == "json_schema"
    assert not [word for word in ("alice", "wxs_", "wx0", KEY) if word in prompt]


NO_VERDICTS = [
    model_says(text="Yes, give it back!"),
    model_says(text='{"approve": true}'),
    model_says(text='{"approve": "yes", "why": ""}'),
    model_says(text='{"approve": true, "why": "", "card_number": "4111111111111111"}'),
    model_says(text='{"approve": true, "why": ["' + "[" * 5000),
    model_says(("authorize_payment", "{}")),
]


@pytest.mark.parametrize("trouble", NO_VERDICTS)
def test_a_verdict_that_breaks_its_schema_is_asked_for_again_and_then_an_error(
    trouble: Trouble,
) -> None:
    once: Troubles = {(1, "reason", 1): trouble}
    played = play(BASELINE, BUY_AND_RETURN, troubles=once)
    assert (played.outcomes[1], played.flows[1].guarded) == ("refunded", 1)
    assert played.door.stages(1).count("reason") == 2
    played = play(BASELINE, BUY_AND_RETURN, troubles={**once, (1, "reason", 2): trouble})
    assert (played.outcomes[1], played.flows[1].guarded) == ("error", 2)
    assert played.flows[1].fault == "Guarded: the reason answer breaks its schema"
    assert (played.told[1], played.books) == (facts.UNSURE, [("alice-0", "paid")])


@pytest.mark.parametrize("trouble", [never_sent, overloaded, answer_lost])
def test_without_a_verdict_nothing_is_given_back(trouble: Trouble) -> None:
    played = play(BASELINE, [*BUY_AND_RETURN, 20.0, WISH], troubles={(1, "reason", 1): trouble})
    assert played.outcomes == ["paid", "error", "paid"]
    assert played.door.stages(1) == ["intent", "reason"]
    assert played.books == [("alice-0", "paid"), ("alice-2", "paid")]


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"amount": "45.81"}, "amount_minor"),
        ({"currency": "USD"}, "currency"),
        ({"reference": "txn_00000000"}, "reference"),
        ({"amount": "0.01", "reference": "txn_0"}, "amount_minor, reference"),
    ],
)
def test_the_model_cannot_ask_for_another_refund_than_the_user(
    change: dict[str, str], fields: str
) -> None:
    reference = play(BASELINE, [WISH]).receipts[0].reference
    asked = {"amount": "45.80", "currency": "CNY", "reference": reference, "wish": "", **change}
    hallucinated = model_says(("refund_payment", json.dumps(asked)))
    troubles: Troubles = {(1, "intent", n): hallucinated for n in (1, 2)}
    played = play(BASELINE, BUY_AND_RETURN, troubles=troubles)
    assert played.outcomes == ["paid", "error"]
    assert played.flows[1].fault == f"Guarded: the model asked for another {fields} than the user"
    assert played.door.stages(1) == ["intent", "intent"]
    assert played.books == [("alice-0", "paid")]


# Parts, and too much


def test_a_part_may_be_given_back_and_then_another() -> None:
    played = play(BASELINE, [WISH, 9.0, refund_of(0, 80), 9.0, refund_of(0, 4500)])
    assert played.outcomes == ["paid", "refunded", "refunded"]
    assert ["0.80 CNY" in played.told[1], "45.00 CNY" in played.told[2]] == [True, True]
    assert _refunds(played) == [{"alice-0-r1": 80, "alice-0-r2": 4500}]


@STRATEGIES
def test_more_than_was_paid_is_declined(strategy: Strategy) -> None:
    played = play(strategy, [WISH, 9.0, refund_of(0, 4581)])
    assert (played.outcomes[1], said(played.told[1])) == ("declined", "declined")
    assert played.books == [("alice-0", "paid")]


def test_of_two_payments_the_one_that_the_user_names_is_given_back() -> None:
    played = play(BASELINE, [WISH, 9.0, WISH, 9.0, refund_of(1)])
    assert played.books == [("alice-0", "paid"), ("alice-1", "refunded")]


def test_what_was_never_paid_is_not_given_back() -> None:
    played = play(BASELINE, [BLOCKED, 9.0, refund_of()])
    assert played.outcomes == ["declined", "declined"]
    assert played.books == [("alice-0", "declined")]


def test_a_refund_goes_to_the_provider_that_was_paid() -> None:
    weather = Weather(lanes=("wechat-ai", "other"))
    turns: list[Turn] = [by_lane(1), 9.0, by_lane(0), 9.0, refund_of(0)]
    played = play(BASELINE, turns, weather=weather)
    assert played.outcomes == ["paid", "paid", "refunded"]
    assert [entry.state for entry in played.entries("other")] == ["refunded"]
    assert [entry.state for entry in played.entries("wechat-ai")] == ["paid"]
    assert {seen.path.split("/")[1] for seen in played.door.seen if seen.key.turn == 2} == {
        "openai",
        "other",
    }


@settings(max_examples=25)
@given(st.lists(st.integers(1, 3000), max_size=4))
def test_all_refunds_together_are_never_more_than_was_paid(parts: list[int]) -> None:
    turns: list[Turn] = [WISH, *(refund_of(0, part) for part in parts)]
    played = play(TOKEN_CACHE, turns)
    (entry,) = played.entries()
    assert entry.refunded_minor <= WISH.amount_minor
    told = zip(parts, played.outcomes[1:], strict=True)
    assert entry.refunded_minor == sum(part for part, outcome in told if outcome == "refunded")


# Calls that fail


@pytest.mark.parametrize("trouble", [answer_lost, never_sent, overloaded])
@STRATEGIES
def test_a_refund_whose_answer_is_lost_is_sent_again_and_happens_once(
    strategy: Strategy, trouble: Trouble
) -> None:
    played = play(strategy, BUY_AND_RETURN, troubles={(1, "refund", 1): trouble})
    assert (played.outcomes[1], said(played.told[1])) == ("refunded", "refunded")
    assert played.door.stages(1).count("refund") == 2
    assert _refunds(played) == [{"alice-0-r1": 4580}]


@pytest.mark.parametrize("trouble", [answer_lost, never_sent, refuses("BAD_SEAL")])
@STRATEGIES
def test_when_nothing_works_the_refund_is_unknown_and_told_so(
    strategy: Strategy, trouble: Trouble
) -> None:
    troubles: Troubles = {(1, "refund", 1): trouble, (1, "refund", 2): trouble}
    played = play(strategy, [*BUY_AND_RETURN, 9.0, WISH], troubles=troubles)
    assert played.outcomes == ["paid", "unknown", "paid"]
    assert said(played.told[1]) == "unknown"
    assert sum(map(len, _refunds(played))) <= 1


def test_a_session_that_the_provider_does_not_honour_is_renewed_and_counted() -> None:
    troubles: Troubles = {(1, "refund", 1): refuses("TOKEN_EXPIRED")}
    played = play(TOKEN_CACHE, BUY_AND_RETURN, troubles=troubles)
    assert (played.outcomes[1], played.flows[1].stale_tokens) == ("refunded", 1)
    assert played.door.stages(1) == ["intent", "reason", "refund", "refresh", "refund", "confirm"]


def test_a_token_that_ran_out_during_the_patience_does_not_leave_a_refund_unknown() -> None:
    weather = Weather(lifetime=25.0)
    troubles: Troubles = {(1, "refund", 1): answer_lost}
    played = play(TOKEN_CACHE, BUY_AND_RETURN, weather=weather, troubles=troubles)
    assert played.outcomes[1] == "refunded"
    assert _refunds(played) == [{"alice-0-r1": 4580}]


@pytest.mark.parametrize("code", ["TOKEN_EXPIRED", "TOKEN_UNKNOWN"])
def test_a_fault_after_a_stale_session_is_still_met_by_a_retry(
    code: wechat_ai.RefusalCode,
) -> None:
    troubles: Troubles = {(1, "refund", 1): refuses(code), (1, "refund", 2): answer_lost}
    played = play(BASELINE, BUY_AND_RETURN, troubles=troubles)
    assert (played.outcomes[1], played.flows[1].stale_tokens) == ("refunded", 1)
    assert _refunds(played) == [{"alice-0-r1": 4580}]


def test_no_session_for_the_retry_leaves_it_unknown_since_the_first_may_have_come() -> None:
    troubles: Troubles = {
        (1, "refund", 1): answer_lost,
        (1, "refund", 2): refuses("TOKEN_EXPIRED"),
        (1, "refresh", 1): never_sent,
        (1, "session", 1): never_sent,
    }
    played = play(TOKEN_CACHE, BUY_AND_RETURN, troubles=troubles)
    assert (played.outcomes[1], said(played.told[1])) == ("unknown", "unknown")


def test_no_session_at_all_is_an_error_and_nothing_was_sent() -> None:
    troubles: Troubles = {(1, "session", n): never_sent for n in (1, 2, 3)}
    played = play(PREWARM, [*BUY_AND_RETURN, 9.0, WISH], troubles=troubles)
    assert played.outcomes == ["paid", "error", "paid"]
    assert "refund" not in played.door.stages(1)


def test_a_provider_that_never_honours_its_own_sessions_does_not_hold_the_turn() -> None:
    troubles: Troubles = {(1, "refund", n): refuses("TOKEN_EXPIRED") for n in range(1, 9)}
    played = play(BASELINE, BUY_AND_RETURN, troubles=troubles)
    assert played.outcomes[1] == "unknown"
    assert played.door.stages(1).count("refund") <= 4


def test_a_draft_of_a_refund_is_corrected_when_it_did_not_happen() -> None:
    troubles: Troubles = {(1, "refund", n): overloaded for n in (1, 2)}
    played = play(PARALLEL, BUY_AND_RETURN, troubles=troubles)
    assert (played.flows[1].corrections, said(played.told[1])) == (1, "unknown")
