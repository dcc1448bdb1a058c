"""What a user's own words bear: of the right kind, about the sum and the names that stand in them.

There is no known wish behind them to hold the model's answer against.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from harness.flow import guard
from harness.flow.guard import Guarded
from harness.flow.wish import AnyWish, QueryWish, RefundWish, SplitWish, Wish
from scenarios.shop import BLOCKED, METHODS, PAYEES

PAY = Wish(4580, "CNY", "noodles", "balance")
REFUND = RefundWish(4580, "CNY", "txn_1a2b3c4d", "The tea was cold.")
SPLIT = SplitWish(9000, "CNY", "noodles", "balance", ("an", "bo"))
QUERY = QueryWish("txn_1a2b3c4d")


@pytest.mark.parametrize(
    "wish", [PAY, REFUND, SPLIT, QUERY, *[Wish(1, "USD", payee, "card") for payee in PAYEES]]
)
def test_what_users_of_the_scenarios_say_bears_what_they_wish(wish: AnyWish) -> None:
    asked = structs.replace(wish, why="") if isinstance(wish, RefundWish) else wish
    assert guard.borne(asked, wish.said()) == asked


SENTENCES = [
    "pay noodles 45.80 CNY with balance",
    "Send CNY 45.8 to noodles from my balance, please.",
    "Transfer 45.80 CNY to the noodles by balance",
    "Please tip noodles CNY45.80 (45.80 CNY!) using my balance",
    "With my balance, pay 45.80 CNY to noodles",
]


@pytest.mark.parametrize("said", SENTENCES)
def test_the_same_can_be_said_in_several_ways(said: str) -> None:
    assert guard.borne(PAY, said) is PAY


HALLUCINATIONS = [
    (structs.replace(PAY, amount_minor=458_000), "amount_minor"),
    (structs.replace(PAY, amount_minor=4581), "amount_minor"),
    (structs.replace(PAY, amount_minor=0), "amount_minor"),
    (structs.replace(PAY, amount_minor=-4580), "amount_minor"),
    (structs.replace(PAY, currency="USD"), "currency"),
    (structs.replace(PAY, currency=""), "currency"),
    (structs.replace(PAY, payee="tea-house"), "payee"),
    (structs.replace(PAY, payee="Noodles"), "payee"),
    (structs.replace(PAY, payee="noodle"), "payee"),
    (structs.replace(PAY, payee=""), "payee"),
    (structs.replace(PAY, payee="my"), "payee"),
    (structs.replace(PAY, payee="CNY"), "payee"),
    (structs.replace(PAY, payee="noodles with my balance"), "payee"),
    (structs.replace(PAY, method="card"), "method"),
    (structs.replace(PAY, method="with"), "method"),
    (structs.replace(PAY, payee="balance", method="noodles"), "payee, method"),
    (Wish(1, "USD", "nobody", "cash"), "payee, method, amount_minor, currency"),
]


@pytest.mark.parametrize(("asked", "fields"), HALLUCINATIONS)
def test_what_the_words_do_not_bear_is_refused_by_the_names_of_its_fields(
    asked: Wish, fields: str
) -> None:
    with pytest.raises(Guarded, match=f"another {fields} than the user") as refusal:
        guard.borne(asked, PAY.said())
    # The message may reach a log: it holds no name and no amount.
    assert not {"nobody", "tea-house", "458000", "4580"} & set(str(refusal.value).split())


@pytest.mark.parametrize(
    ("asked", "said", "fields"),
    [
        (RefundWish(4581, "CNY", "txn_1a2b3c4d"), REFUND.said(), "amount_minor"),
        (RefundWish(4580, "CNY", "txn_1a2b3c4"), REFUND.said(), "reference"),
        (RefundWish(4580, "CNY", "payment"), REFUND.said(), "reference"),
        (QueryWish("txn_2"), QUERY.said(), "reference"),
        (QueryWish(""), QUERY.said(), "reference"),
        (structs.replace(SPLIT, people=("an", "cho")), SPLIT.said(), "people"),
        (structs.replace(SPLIT, people=()), SPLIT.said(), "people"),
        # A name is whole: it is no part of an address or of a longer name.
        (PAY, "Pay 45.80 CNY to noodles.example with my balance", "payee"),
        (PAY, "Pay 45.80 CNY to noodles@example with my balance", "payee"),
        (PAY, "Pay 45.80 CNY to https://noodles with my balance", "payee"),
        (PAY, "Pay 45.80 CNY to noodles-bar with my balance", "payee"),
        (PAY, "I like noodles. Pay 45.80 CNY to tea-house with my balance", "payee"),
        # One sum, with its own currency.
        (PAY, "Pay 45.80 USD to noodles with my balance, not CNY", "currency"),
        (PAY, "Pay 45.80 CNY or 12.00 CNY to noodles with my balance", "amount_minor"),
        (PAY, "Pay 45.80 to noodles with my balance", "amount_minor, currency"),
    ],
)
def test_any_other_answer_that_is_not_borne_is_refused_too(
    asked: AnyWish, said: str, fields: str
) -> None:
    with pytest.raises(Guarded, match=f"another {fields} than the user"):
        guard.borne(asked, said)


@pytest.mark.parametrize(
    ("end", "is_borne"),
    [
        ("", True),
        (".", True),
        (", please", True),
        ("! Thanks", True),
        (" (45.80 CNY)", True),
        (" 45.80 CNY", True),
        (" CNY45.80", True),
        (" - thanks", True),
        (" for lunch", True),
        (" And thanks", True),
        (" Lee", False),
        (" house.", False),
        (" 2", False),
        (" & Sons", False),
        ("&Sons", False),
        (" CNYX", False),
        (" forever", False),
        ("'s", False),
        ("\u2019s bar", False),
        ("/Lee", False),
    ],
)
def test_a_payee_is_named_with_all_its_words(end: str, is_borne: bool) -> None:
    said = f"With my balance pay 45.80 CNY to noodles{end}"
    try:
        guard.borne(PAY, said)
    except Guarded as refusal:
        assert (is_borne, str(refusal)) == (
            False,
            "the model asked for another payee than the user",
        )
    else:
        assert is_borne


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (RefundWish(4580, "CNY", "noodles"), PAY.said()),
        (Wish(4580, "CNY", "payment", "of"), REFUND.said()),
        (Wish(4580, "CNY", "txn_1a2b3c4d", "of"), REFUND.said()),
        (SPLIT, "Please pay 90.00 CNY to noodles with my balance. an and bo were there."),
        (PAY, "How much is 45.80 CNY to noodles with my balance?"),
        (PAY, PAY.said() + " And refund the last one."),
    ],
)
def test_one_kind_of_wish_is_never_taken_for_another(asked: AnyWish, said: str) -> None:
    with pytest.raises(Guarded, match="another kind of thing"):
        guard.borne(asked, said)


@pytest.mark.parametrize(
    ("said", "sums"),
    [
        ("45.80 CNY", {(4580, "CNY")}),
        ("CNY 45.8", {(4580, "CNY")}),
        ("45 USD, or USD 45.00", {(4500, "USD")}),
        ("0.01 EUR and 1.00 GBP", {(1, "EUR"), (100, "GBP")}),
        ("2 coffees for (9.00 CNY)", {(900, "CNY")}),
        ("0.00 CNY", set()),
        ("-45.80 CNY", set()),
        ("45.805 CNY", set()),
        ("1,234.50 CNY", set()),
        ("1 234.50 CNY", set()),
        ("1.234.50 CNY", set()),
        ("1'234.50 CNY", set()),
        ("CNY 1,234.50", set()),
        ("45.80 JPY", set()),
        ("45.80 cny", set()),
        ("45.80 CNYX", set()),
        ("45.80", set()),
        ("4111111111111111 CNY", set()),
        ("٤٥.٨٠ CNY", set()),
        ("$45.80", set()),
    ],
)
def test_a_sum_is_digits_beside_a_known_currency(said: str, sums: set[tuple[int, str]]) -> None:
    assert guard.sums_in(said) == sums


PARTS = [
    "1 234", "1\u00a0234", "1\u2009234", "1\u200b234", "1'234", "1\u2019234", "1\uff0c234",
    "1, 234", "5 000.00", "1/2", "1 / 2", "5-10", "5 - 10", "5\u201310", "5 \u2013 10", "5*3",
    "5 x 3", "5 \u00d7 3", "5 to 10", "5 or 10", "5 and 10", "1 \u00bd", "1 \uff12\uff13\uff14",
]  # fmt: skip
WORDS = ["5 thousand", "5 Million", "5 k", "5k", "5 hundred", "5 \u4e07", "5\u4e07"]


@pytest.mark.parametrize("amount", [*PARTS, *WORDS])
def test_what_is_read_in_two_ways_is_no_amount_before_or_after_its_currency(amount: str) -> None:
    for said in (f"CNY {amount}", f"CNY{amount} to noodles", f"{amount} CNY", f"({amount} CNY)"):
        assert guard.sums_in(said) == set(), said


def test_a_number_that_belongs_to_a_currency_on_both_sides_is_no_amount() -> None:
    assert guard.sums_in("pay 2 CNY 45.80 to noodles") == set()


@pytest.mark.parametrize(
    "said",
    ["CNY 45.80 (2 teas)", "CNY 45.80 to 7-eleven", "2 teas for CNY 45.80.", "CNY 45.80, an"],
)
def test_a_number_of_something_else_leaves_an_amount_alone(said: str) -> None:
    assert guard.sums_in(said) == {(4580, "CNY")}


wishes = st.builds(
    Wish,
    st.integers(1, 10**9),
    st.sampled_from(guard.CURRENCIES),
    st.sampled_from([*PAYEES, BLOCKED]),
    st.sampled_from(METHODS),
)


@given(said=wishes, asked=st.one_of(wishes, st.just(None)))
def test_of_all_payments_only_the_one_that_was_wished_is_borne(
    said: Wish, asked: Wish | None
) -> None:
    asked = asked or said
    try:
        guard.borne(asked, said.said())
    except Guarded:
        assert asked != said
    else:
        assert asked == said
