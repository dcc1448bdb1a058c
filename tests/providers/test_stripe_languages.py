"""The two small languages of the Stripe API: what to expand, and what to search for."""

import json
from typing import cast

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.providers import stripe as wire
from harness.providers.call import Endpoint
from harness.providers.stripe import expand, search
from harness.providers.stripe.form import Unfit
from harness.providers.stripe.objects import BalanceTransaction, Charge, PaymentIntent, Thing

AT = Endpoint("http://mocks/stripe", "sk_test_abc")
MOVED = BalanceTransaction(id="txn_1", amount=1099, currency="usd", fee=62, net=1037)
CHARGE = Charge(
    id="ch_1", amount=1099, balance_transaction="txn_1", currency="usd", status="succeeded"
)
INTENT = PaymentIntent(
    id="pi_1",
    amount=1099,
    currency="usd",
    latest_charge="ch_1",
    metadata={"order_no": "o-1"},
    status="succeeded",
)
THINGS: dict[str, Thing] = {thing.id: thing for thing in (MOVED, CHARGE, INTENT)}


# Expanding


def expanded(reply: PaymentIntent | wire.Listing, *paths: str) -> dict[str, object]:
    return cast(dict[str, object], expand.expanded(reply, paths, THINGS.get))


def test_what_is_expanded_stands_in_the_place_of_its_id() -> None:
    plain = json.dumps(expanded(INTENT, *wire.WITH_FEE))
    told = wire.retrieve_intent(AT, "pi_1").decode(200, httpx.Headers(), plain.encode())
    assert isinstance(told, PaymentIntent) and isinstance(told.latest_charge, Charge)
    assert wire.fee_minor(told.latest_charge) == 62
    listing = wire.Listing(data=[INTENT], has_more=False, url="/v1/payment_intents")
    data = cast(list[dict[str, object]], expanded(listing, "data.latest_charge")["data"])
    assert isinstance(data[0]["latest_charge"], dict)


def test_nothing_is_expanded_where_nothing_stands() -> None:
    new = PaymentIntent(id="pi_2", amount=1, currency="usd", status="requires_payment_method")
    assert expanded(new, *wire.WITH_FEE)["latest_charge"] is None
    lost = PaymentIntent(id="pi_2", amount=1, currency="usd", status="succeeded", latest_charge="x")
    assert expanded(lost, "latest_charge")["latest_charge"] == "x"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("", "payment_intents"),
        ("amount", "payment_intents"),
        ("latest_charge.amount", "payment_intents"),
        ("data.latest_charge", "payment_intents"),
        ("latest_charge", expand.LISTED + "payment_intents"),
        ("latest_charge.payment_intent.latest_charge.payment_intent.customer", "payment_intents"),
        ("latest_charge", "customers"),
    ],
)
def test_what_cannot_be_expanded_is_unfit(path: str, kind: str) -> None:
    with pytest.raises(Unfit, match="expand"):
        expand.check([path], kind)


# Searching


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status:'succeeded'", True),
        ("status:'canceled'", False),
        ("currency:'usd' AND amount:1099", True),
        ("amount>1098 and amount<=1099", True),
        ("amount<1099", False),
        ("metadata['order_no']:'o-1' AND status:'succeeded'", True),
        ("metadata['order_no']:'o-2'", False),
        ("metadata['another']:'o-1'", False),
    ],
)
def test_a_query_finds_what_all_its_clauses_hold_of(query: str, found: bool) -> None:
    assert all(clause.holds(INTENT) for clause in search.parse(query)) is found


@pytest.mark.parametrize(
    "query",
    [
        "",
        "succeeded",
        "status='succeeded'",
        "status:succeeded",
        "amount:'1099'",
        "status>'a'",
        "metadata[order_no]:'o-1'",
        "status:'succeeded' OR status:'canceled'",
        "status:'succeeded' AND",
        "-status:'succeeded'",
        "status:'succeeded",
    ],
)
def test_a_query_of_another_grammar_is_unfit(query: str) -> None:
    with pytest.raises(Unfit) as caught:
        search.parse(query)
    assert caught.value.param == "query"


@settings(max_examples=50)
@given(st.text(min_size=1, max_size=20), st.text(max_size=20))
def test_any_metadata_can_be_searched_for(key: str, value: str) -> None:
    (clause,) = search.parse(search.by_metadata(key, value))
    assert (clause.field, clause.key, clause.value) == ("metadata", key, value)
