"""What a model may ask for: nothing but the payment that the user spoke of, whatever it says."""

import dataclasses

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.flow import guard
from harness.flow.strategy import Strategy, all_strategies
from harness.flow.tools import read_wish
from harness.flow.wish import Wish
from harness.providers.call import Malformed
from harness.providers.chat import ToolCall
from tests.worlds import WISH, Trouble, Troubles, model_says, play

PAY = "authorize_payment"
HALLUCINATIONS = [
    (dataclasses.replace(WISH, amount_minor=458_000), "amount_minor"),
    (dataclasses.replace(WISH, amount_minor=4581), "amount_minor"),
    (dataclasses.replace(WISH, amount_minor=0), "amount_minor"),
    (dataclasses.replace(WISH, currency="USD"), "currency"),
    (dataclasses.replace(WISH, payee="tea-house"), "payee"),
    (dataclasses.replace(WISH, method="card"), "method"),
    (Wish(1, "USD", "nobody", "cash"), "amount_minor, currency, payee, method"),
]


def _arguments(wish: Wish = WISH, **changes: str) -> str:
    asked = {
        "amount": wish.amount,
        "currency": wish.currency,
        "payee": wish.payee,
        "method": wish.method,
        "wish": "as heard",
        **changes,
    }
    return msgspec.json.encode(asked).decode()


def test_what_the_user_said_is_allowed() -> None:
    assert guard.allow(dataclasses.replace(WISH), WISH) == WISH


@pytest.mark.parametrize(("asked", "fields"), HALLUCINATIONS)
def test_a_payment_that_differs_is_refused_by_the_names_of_its_fields(
    asked: Wish, fields: str
) -> None:
    with pytest.raises(Malformed, match=f"another {fields} than the user") as refusal:
        guard.allow(asked, WISH)
    # The message may reach a log: it holds no payee and no amount.
    assert not {"nobody", "tea-house", "458000", "4580"} & set(str(refusal.value).split())


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


@pytest.mark.parametrize(("asked", "fields"), HALLUCINATIONS)
@pytest.mark.parametrize("strategy", all_strategies(), ids=lambda strategy: strategy.name)
def test_a_hallucinated_payment_never_reaches_the_provider(
    strategy: Strategy, asked: Wish, fields: str
) -> None:
    troubles: Troubles = {(0, "intent", 1): model_says((PAY, _arguments(asked)))}
    played = play(strategy, [WISH, 20.0, WISH], troubles=troubles)
    assert played.outcomes == ["error", "paid"]
    assert played.flows[0].fault == f"Malformed: the model asked for another {fields} than the user"
    # A session may have been warmed before the model spoke; no payment and no draft was made.
    assert set(played.door.stages(0)) <= {"intent", "session"}
    assert played.books == [("alice-1", "paid")]


NOT_ONE_PAYMENT = {
    "no call at all": model_says(text="Whom shall I pay?"),
    "the same payment twice": model_says((PAY, _arguments()), (PAY, _arguments())),
    "another function": model_says(("refund_payment", _arguments())),
    "no JSON": model_says((PAY, "{amount:")),
    "a missing field": model_says((PAY, '{"amount": "45.80"}')),
    "an unknown field": model_says((PAY, _arguments(token="wxs_1"))),
    "a number for a text": model_says((PAY, _arguments().replace('"45.80"', "45.80"))),
}


@pytest.mark.parametrize("trouble", NOT_ONE_PAYMENT.values(), ids=NOT_ONE_PAYMENT.keys())
def test_anything_but_one_well_formed_payment_is_the_models_fault(trouble: Trouble) -> None:
    played = play(Strategy(), [WISH], troubles={(0, "intent", 1): trouble})
    assert (played.outcomes, played.books, played.told) == (["error"], [], [""])
    assert played.flows[0].fault.startswith("Malformed: ")


@given(st.integers(0, 10**12))
def test_an_amount_survives_the_way_through_the_model(amount_minor: int) -> None:
    wish = dataclasses.replace(WISH, amount_minor=amount_minor)
    assert read_wish(ToolCall("call_0", PAY, _arguments(wish))) == wish


NO_AMOUNTS = """45.8 45.800 45 .80 45. -45.80 +45.80 4_5.80 45.-8 45,80 4.580 1e2.00 0x1.00 nan"""


@pytest.mark.parametrize(
    "amount",
    [*NO_AMOUNTS.split(), "", " 45.80", "45.80 ", "45.80\n", "\u0664\u0665.80", "9" * 5000 + ".00"],
    ids=lambda amount: repr(amount[:12]),
)
def test_an_amount_of_any_other_form_is_malformed(amount: str) -> None:
    with pytest.raises(Malformed, match="authorize_payment"):
        read_wish(ToolCall("call_0", PAY, _arguments(amount=amount)))


@pytest.mark.parametrize(
    ("minor", "major"), [(0, "0.00"), (5, "0.05"), (80, "0.80"), (4580, "45.80"), (100, "1.00")]
)
def test_an_amount_is_written_with_two_decimals(minor: int, major: str) -> None:
    assert dataclasses.replace(WISH, amount_minor=minor).amount == major
