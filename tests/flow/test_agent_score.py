"""Fraud scored beside the model that reads: nothing is paid before both have spoken."""

import json

import pytest

from harness.flow import facts
from harness.flow.strategy import Strategy, all_strategies
from harness.flow.wish import Wish
from mocks.brain import SUSPECT_PAYEE
from tests.worlds import (
    BASELINE,
    PARALLEL,
    PREWARM,
    WISH,
    Trouble,
    Troubles,
    Weather,
    answer_lost,
    model_says,
    never_sent,
    overloaded,
    play,
    said,
    scored,
)

STRATEGIES = pytest.mark.parametrize("strategy", all_strategies(), ids=lambda one: one.name)
SUSPECT = Wish(4580, "CNY", SUSPECT_PAYEE, "balance")


def _says(score: object) -> Trouble:
    return model_says(text=json.dumps({"score": score}))


@STRATEGIES
def test_an_honest_wish_is_paid_as_ever(strategy: Strategy) -> None:
    played = play(strategy, [scored(), 20.0, scored()])
    plain = play(strategy, [WISH, 20.0, WISH])
    assert (played.outcomes, played.books) == (plain.outcomes, plain.books)
    # The score takes 0.3 s beside the 0.5 s of reading: nobody waits for it.
    assert played.response_ms == plain.response_ms
    calls = [sorted(played.door.stages(turn)) for turn in (0, 1)]
    assert calls == [sorted([*plain.door.stages(turn), "score"]) for turn in (0, 1)]


@STRATEGIES
def test_a_score_that_outlasts_the_reading_holds_the_payment_back(strategy: Strategy) -> None:
    weather = Weather(score=2.0)
    played = play(strategy, [scored()], weather=weather)
    session = 0.0 if strategy.prewarm else weather.session
    paid = weather.score + session + weather.pay
    drafted = weather.intent + weather.confirm
    answered = max(paid, drafted) if strategy.parallel_confirm else paid + weather.confirm
    assert played.response_ms == [round(answered * 1e3, 3)]
    pay = next(span for span in played.flows[0].spans if span.stage == "pay")
    assert pay.start >= 2.0


@STRATEGIES
def test_a_suspect_wish_is_declined_and_never_reaches_the_provider(strategy: Strategy) -> None:
    played = play(strategy, [scored(SUSPECT), 20.0, scored()])
    assert played.outcomes == ["declined", "paid"]
    assert [said(told) for told in played.told] == ["declined", "paid"]
    assert played.books == [("alice-1", "paid")]
    # A session may have been warmed before anybody could know.
    assert set(played.door.stages(0)) - {"session"} == {"intent", "score", "confirm"}
    flow = played.flows[0]
    assert (flow.wasted_prewarms, flow.fee_minor) == (strategy.prewarm, 0)
    assert flow.corrections == strategy.parallel_confirm
    assert [receipt.outcome for receipt in played.receipts] == ["declined", "paid"]


def test_without_a_limit_nobody_is_asked_for_a_score() -> None:
    played = play(BASELINE, [SUSPECT])
    assert (played.outcomes, "score" in played.door.stages()) == (["paid"], False)


@pytest.mark.parametrize(
    ("score", "most", "outcome"),
    [
        (80, 80, "paid"),
        (81, 80, "declined"),
        (0, 0, "paid"),
        (1, 0, "declined"),
        (100, 100, "paid"),
    ],
)
def test_only_what_scores_above_the_limit_is_declined(score: int, most: int, outcome: str) -> None:
    played = play(BASELINE, [scored(WISH, most)], troubles={(0, "score", 1): _says(score)})
    assert played.outcomes == [outcome]


NO_SCORES = [
    model_says(text="looks fine to me"),
    model_says(text="{}"),
    _says("7"),
    _says(7.5),
    _says(None),
    _says(True),
    _says(-1),
    _says(101),
    model_says(text='{"score": 7, "card_number": "4111111111111111"}'),
    model_says(("authorize_payment", "{}")),
]


@pytest.mark.parametrize("trouble", NO_SCORES)
@pytest.mark.parametrize("strategy", [BASELINE, PREWARM, PARALLEL])
def test_a_score_that_breaks_its_schema_is_asked_for_again_and_then_stops_the_payment(
    strategy: Strategy, trouble: Trouble
) -> None:
    played = play(strategy, [scored()], troubles={(0, "score", 1): trouble})
    assert (played.outcomes, played.flows[0].guarded) == (["paid"], 1)
    twice: Troubles = {(0, "score", n): trouble for n in (1, 2)}
    played = play(strategy, [scored(), 20.0, scored()], troubles=twice)
    assert (played.outcomes, played.flows[0].guarded) == (["error", "paid"], 2)
    assert played.flows[0].fault == "Guarded: the score answer breaks its schema"
    assert (played.told[0], played.books) == (facts.UNSURE, [("alice-1", "paid")])


@pytest.mark.parametrize("trouble", [never_sent, overloaded, answer_lost])
@STRATEGIES
def test_without_a_score_nothing_is_paid(strategy: Strategy, trouble: Trouble) -> None:
    played = play(strategy, [scored(), 20.0, scored()], troubles={(0, "score", 1): trouble})
    assert played.outcomes == ["error", "paid"]
    assert "pay" not in played.door.stages(0)
    assert played.books == [("alice-1", "paid")]


def test_a_wish_that_is_not_understood_does_not_wait_for_its_score() -> None:
    played = play(
        BASELINE, [scored()], weather=Weather(score=9.0), troubles={(0, "intent", 1): overloaded}
    )
    assert played.outcomes == ["error"]
    # Refused at once; the score that was under way is recorded all the same.
    assert played.response_ms == [0.0]
    assert [span.stage for span in played.flows[0].spans] == ["intent", "score"]


def test_the_model_that_scores_reads_the_users_words_and_nothing_else() -> None:
    played = play(BASELINE, [scored()])
    (body,) = played.door.bodies("score")
    asked = json.loads(body)
    assert asked["messages"][-1] == {"role": "user", "content": WISH.said()}
    assert asked["response_format"]["json_schema"]["schema"] == {
        "type": "object",
        "properties": {"score": {"type": "integer"}},
        "required": ["score"],
        "additionalProperties": False,
    }
    assert b"alice" not in body
