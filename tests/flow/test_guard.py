"""What a model may ask for: nothing but what the user spoke of, whatever it says.

An answer that the guard stops is counted and asked for once more; what stood in it goes nowhere.
"""

import json
import logging
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from harness.flow import facts, guard
from harness.flow.guard import Guarded
from harness.flow.strategy import Strategy, all_strategies
from harness.flow.wish import AnyWish, QueryWish, RefundWish, SplitWish, Wish
from harness.load.engine import record_turn
from harness.providers.call import Malformed
from harness.record import Rows
from mocks.brain import FORBIDDEN_FIELD
from mocks.figures import Structure
from tests.worlds import (
    BASELINE,
    WISH,
    Played,
    Trouble,
    Troubles,
    Turn,
    Weather,
    model_says,
    never_sent,
    overloaded,
    play,
    scored,
    weak,
)

PAY = "authorize_payment"
STRATEGIES = pytest.mark.parametrize("strategy", all_strategies(), ids=lambda one: one.name)
HALLUCINATIONS = [
    (structs.replace(WISH, amount_minor=458_000), "amount_minor"),
    (structs.replace(WISH, amount_minor=4581), "amount_minor"),
    (structs.replace(WISH, amount_minor=0), "amount_minor"),
    (structs.replace(WISH, currency="USD"), "currency"),
    (structs.replace(WISH, payee="tea-house"), "payee"),
    (structs.replace(WISH, method="card"), "method"),
    (Wish(1, "USD", "nobody", "cash"), "amount_minor, currency, payee, method"),
]
SPLIT = SplitWish(9000, "CNY", "noodles", "balance", ("an", "bo"))
REFUND = RefundWish(4580, "CNY", "txn_1", "The tea was cold.")
QUERY = QueryWish("txn_1")


def _arguments(wish: Wish = WISH, **changes: str) -> str:
    asked = {
        "amount": wish.amount,
        "currency": wish.currency,
        "payee": wish.payee,
        "method": wish.method,
        "wish": "as heard",
        **changes,
    }
    return json.dumps(asked)


# What is let through


@pytest.mark.parametrize("wish", [WISH, SPLIT, REFUND, QUERY])
def test_what_the_user_said_is_allowed(wish: Any) -> None:
    assert guard.allow(structs.replace(wish), wish) is wish


def test_no_tool_repeats_the_users_reason_and_none_can_change_it() -> None:
    allowed = guard.allow(RefundWish(4580, "CNY", "txn_1", "I am the owner."), REFUND)
    assert allowed.why == "The tea was cold."


@pytest.mark.parametrize(("asked", "fields"), HALLUCINATIONS)
def test_a_payment_that_differs_is_refused_by_the_names_of_its_fields(
    asked: Wish, fields: str
) -> None:
    with pytest.raises(Guarded, match=f"another {fields} than the user") as refusal:
        guard.allow(asked, WISH)
    # The message may reach a log: it holds no payee and no amount.
    assert not {"nobody", "tea-house", "458000", "4580"} & set(str(refusal.value).split())


@pytest.mark.parametrize(
    ("asked", "said", "fields"),
    [
        (structs.replace(SPLIT, people=("an", "cho")), SPLIT, "people"),
        (structs.replace(SPLIT, people=("bo", "an")), SPLIT, "people"),
        (structs.replace(SPLIT, amount_minor=1, people=()), SPLIT, "amount_minor, people"),
        (RefundWish(4581, "CNY", "txn_1"), REFUND, "amount_minor"),
        (RefundWish(4580, "CNY", "txn_2"), REFUND, "reference"),
        (QueryWish("txn_2"), QUERY, "reference"),
    ],
)
def test_any_other_wish_that_differs_is_refused_in_the_same_way(
    asked: AnyWish, said: Any, fields: str
) -> None:
    with pytest.raises(Guarded, match=f"another {fields} than the user"):
        guard.allow(asked, said)


WISHES = (WISH, SPLIT, REFUND, QUERY)


@pytest.mark.parametrize("said", WISHES)
@pytest.mark.parametrize("asked", [*WISHES, None, "authorize_payment"])
def test_one_kind_of_wish_is_never_taken_for_another(asked: object, said: Any) -> None:
    if asked is said:
        return
    with pytest.raises(Guarded, match="another kind of thing"):
        guard.allow(asked, said)


@given(
    asked=st.builds(Wish, st.integers(0, 3), *[st.sampled_from("ab")] * 3),
    said=st.builds(Wish, st.integers(0, 3), *[st.sampled_from("ab")] * 3),
)
def test_only_an_equal_payment_ever_passes(asked: Wish, said: Wish) -> None:
    try:
        allowed = guard.allow(asked, said)
    except Malformed:
        assert asked != said
    else:
        assert allowed == asked == said


# What is asked for again


def _both(trouble: Trouble, stage: str = "intent") -> Troubles:
    return {(0, stage, 1): trouble, (0, stage, 2): trouble}


@pytest.mark.parametrize(("asked", "fields"), HALLUCINATIONS)
@STRATEGIES
def test_a_hallucinated_payment_never_reaches_the_provider(
    strategy: Strategy, asked: Wish, fields: str
) -> None:
    played = play(
        strategy, [WISH, 20.0, WISH], troubles=_both(model_says((PAY, _arguments(asked))))
    )
    assert played.outcomes == ["error", "paid"]
    assert played.flows[0].fault == f"Guarded: the model asked for another {fields} than the user"
    assert [flow.guarded for flow in played.flows] == [2, 0]
    # A session may have been warmed before the model spoke; no payment and no draft was made.
    assert set(played.door.stages(0)) <= {"intent", "session"}
    assert played.books == [("alice-1", "paid")]


NOT_ONE_PAYMENT = {
    "no call at all": model_says(text="Whom shall I pay?"),
    "the same payment twice": model_says((PAY, _arguments()), (PAY, _arguments())),
    "a payment of something else": model_says((PAY, _arguments(payee="tea-house"))),
    "another function": model_says(("refund_payment", _arguments())),
    "a function that is none of ours": model_says(("transfer", _arguments())),
    "a refund of the same sum": model_says(
        ("refund_payment", '{"amount":"45.80","currency":"CNY","reference":"txn_1","wish":""}')
    ),
    "no JSON": model_says((PAY, "{amount:")),
    "a missing field": model_says((PAY, '{"amount": "45.80"}')),
    "an unknown field": model_says((PAY, _arguments(token="wxs_1"))),
    "a number for a text": model_says((PAY, _arguments().replace('"45.80"', "45.80"))),
    "an amount in fen": model_says((PAY, _arguments(amount="4580"))),
}
BROKEN = pytest.mark.parametrize("trouble", NOT_ONE_PAYMENT.values(), ids=NOT_ONE_PAYMENT.keys())


@BROKEN
@STRATEGIES
def test_a_broken_answer_is_asked_for_once_more_and_the_second_one_counts(
    strategy: Strategy, trouble: Trouble
) -> None:
    played = play(strategy, [WISH], troubles={(0, "intent", 1): trouble})
    assert (played.outcomes, played.books) == (["paid"], [("alice-0", "paid")])
    flow = played.flows[0]
    assert (flow.guarded, flow.fault) == (1, "")
    assert played.door.stages().count("intent") == 2
    # The turn pays for it with its time: another 0.5 s, in which a warm session is still warm.
    assert played.response_ms == [play(strategy, [WISH]).response_ms[0] + 500]


@BROKEN
def test_a_model_that_is_wrong_twice_ends_the_turn(trouble: Trouble) -> None:
    played = play(BASELINE, [WISH], troubles=_both(trouble))
    assert (played.outcomes, played.books, played.told) == (["error"], [], [facts.UNSURE])
    assert played.flows[0].fault.startswith("Guarded: ")
    assert (played.flows[0].guarded, played.door.stages()) == (2, ["intent", "intent"])


@pytest.mark.parametrize("trouble", [never_sent, overloaded])
def test_a_fault_is_no_broken_answer_and_is_not_asked_again(trouble: Trouble) -> None:
    played = play(BASELINE, [WISH], troubles={(0, "intent", 1): trouble})
    assert (played.outcomes, played.flows[0].guarded) == (["error"], 0)
    assert played.door.stages() == ["intent"]


def test_a_fault_in_the_second_try_leaves_the_first_counted() -> None:
    broken = model_says((PAY, "{amount:"))
    troubles: Troubles = {(0, "intent", 1): broken, (0, "intent", 2): overloaded}
    played = play(BASELINE, [WISH], troubles=troubles)
    assert (played.outcomes, played.flows[0].guarded) == (["error"], 1)
    assert played.flows[0].fault.startswith("Overloaded")


# What stood in it


SECRETS = (FORBIDDEN_FIELD, "4111111111111111", "0000000000000000")


def _kept(played: Played) -> str:
    """All that is ever kept of a conversation: its rows, its spans, its faults."""
    rows = Rows()
    for flow in played.flows:
        assert flow.end is not None
        record_turn("baseline", flow, flow.end, 0.0, rows.add)
    kept = [rows.flows, rows.spans, [repr(flow.spans) + flow.fault for flow in played.flows]]
    return b"".join(map(msgspec.json.encode, kept)).decode()


def _crossed(played: Played) -> bool:
    """Whether any of it came over the wire at all; or there was nothing to keep out."""
    answers = b"".join(seen.answer for seen in played.door.seen)
    return any(secret.encode() in answers for secret in SECRETS)


@pytest.mark.parametrize(
    "trouble",
    [
        model_says((PAY, _arguments(card_number="4111111111111111"))),
        model_says((FORBIDDEN_FIELD, '{"card_number": "4111111111111111"}')),
        model_says(text='{"card_number": "4111111111111111"}'),
        model_says((PAY, _arguments(payee="card_number 4111111111111111"))),
        model_says((PAY, _arguments(amount="4111111111111111"))),
    ],
)
@pytest.mark.parametrize("second", [True, False])
def test_a_field_that_a_model_must_not_write_is_in_no_row_no_span_and_no_fault(
    trouble: Trouble, second: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    troubles = _both(trouble)
    if not second:
        del troubles[0, "intent", 2]
    played = play(BASELINE, [WISH], troubles=troubles)
    assert _crossed(played)
    assert (played.outcomes, played.flows[0].guarded) == (
        (["error"], 2) if second else (["paid"], 1)
    )
    kept = _kept(played) + "".join(played.told) + caplog.text
    assert not [secret for secret in SECRETS if secret in kept]
    # Nor does it go on to another model or to the provider.
    onward = b"".join(seen.request for seen in played.door.seen)
    assert not [secret for secret in SECRETS if secret.encode() in onward]


@STRATEGIES
@pytest.mark.parametrize("structure", [weak(leaks=1.0), weak(leaks=1.0, breaks=0.5)])
def test_a_model_that_always_writes_it_never_gets_through(
    strategy: Strategy, structure: Structure
) -> None:
    played = play(strategy, [WISH, 9.0, scored()], weather=Weather(structure=structure))
    assert played.outcomes == ["error", "error"]
    assert played.books == []
    assert _crossed(played)
    # In the second turn the model that scores is stopped twice as well.
    assert [flow.guarded for flow in played.flows] == [2, 4]
    assert not [secret for secret in SECRETS if secret in _kept(played)]


@pytest.mark.parametrize("leaks", [0.0, 0.3])
@pytest.mark.parametrize("breaks", [0.0, 0.3])
def test_of_a_weak_models_answers_only_the_good_ones_count(leaks: float, breaks: float) -> None:
    turns: list[Turn] = [scored()] * 40
    played = play(BASELINE, turns, weather=Weather(structure=weak(breaks, leaks)))
    guarded = sum(flow.guarded for flow in played.flows)
    asked = sum(played.door.stages().count(stage) for stage in ("intent", "score"))
    # Of those that are wrong once, most are right at the second try.
    wrong = 1 - (1 - leaks) * (1 - breaks)
    assert guarded / asked == pytest.approx(wrong, abs=0.15)
    assert set(played.outcomes) <= {"paid", "error"}
    assert played.outcomes.count("paid") == len(played.books) >= 40 * (1 - wrong) ** 2
    assert {entry.terms and entry.terms.amount_minor for entry in played.entries()} == {4580}
    assert not [secret for secret in SECRETS if secret in _kept(played)]
