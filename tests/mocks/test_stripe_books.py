"""The Stripe mock's books under any calls whatever: only a call that is carried out moves money."""

from urllib.parse import urlencode

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.providers.stripe.requests import ROUTES
from mocks.ledger import BLOCKED_PAYEE, Entry
from tests.mocks.stripe_shop import HOLD, PAY, WAIT, Answer, Json, Shop, visit

INTENTS = "/v1/payment_intents"
IDS = [f"pi_{n:014d}" for n in range(1, 4)]
CARDS = [
    "pm_card_visa",
    "pm_card_chargeDeclined",
    "pm_card_authenticationRequired",
    "pm_00000000000001",
    "pm_card_none",
]

Call = tuple[str, dict[str, object]]

amounts = st.sampled_from([1, 100, 4579, 4580, 4581, 100_000_000])
keys = st.sampled_from(["", "", "k-1", "k-2"])
creates = st.builds(
    lambda base, changed: (INTENTS, {**base, **changed}),
    st.sampled_from([PAY, HOLD, WAIT]),
    st.fixed_dictionaries(
        {},
        optional={
            "amount": amounts,
            "payment_method": st.sampled_from(CARDS),
            "metadata[payee]": st.just(BLOCKED_PAYEE),
            "metadata[order_no]": st.sampled_from(["", "o-1", "o-2", *IDS]),
            "off_session": st.just("true"),
        },
    ),
)
acts: st.SearchStrategy[Call] = st.one_of(
    st.tuples(
        st.builds("{}/{}/confirm".format, st.just(INTENTS), st.sampled_from(IDS)),
        st.fixed_dictionaries({}, optional={"payment_method": st.sampled_from(CARDS)}),
    ),
    st.tuples(
        st.builds("{}/{}/capture".format, st.just(INTENTS), st.sampled_from(IDS)),
        st.fixed_dictionaries({}, optional={"amount_to_capture": amounts}),
    ),
    st.tuples(
        st.builds("{}/{}/cancel".format, st.just(INTENTS), st.sampled_from(IDS)), st.just({})
    ),
    st.tuples(
        st.just("/v1/refunds"),
        st.fixed_dictionaries(
            {"payment_intent": st.sampled_from(IDS)}, optional={"amount": amounts}
        ),
    ),
)
calls = st.lists(st.tuples(creates | acts, keys), min_size=1, max_size=12)


@settings(max_examples=50, deadline=None)
@given(calls)
def test_whatever_is_called_the_books_and_the_intents_agree(
    sequence: list[tuple[Call, str]],
) -> None:
    async def story(shop: Shop) -> None:
        for (path, params), key in sequence:
            before = shop.books()
            answer = await shop.post(path, params, key)
            moved_only_if_carried_out(before, shop.books(), answer)
            if answer.headers.get("idempotent-replayed"):
                assert shop.books() == before
        await agree(shop)

    visit(story)


paths = st.sampled_from([pattern for _, pattern in ROUTES]).map(
    lambda pattern: "/v1/" + pattern.replace("{id}", IDS[0])
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
fields = st.sampled_from([*HOLD, "payment_intent", "amount_to_capture", "expand[]", "card", "x[]"])
values = st.sampled_from(["", "1", "4580", "true", "usd", *IDS, *CARDS]) | texts
forms = st.dictionaries(fields, values, max_size=5)
near = st.builds(lambda base, off: {**base, **off}, st.sampled_from([PAY, HOLD]), forms)
bodies = (forms | near).map(lambda form: urlencode(form).encode()) | st.binary(max_size=60)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(paths, bodies, keys), max_size=5))
def test_no_body_whatever_breaks_the_server_or_moves_money_unless_it_is_carried_out(
    sequence: list[tuple[str, bytes, str]],
) -> None:
    async def story(shop: Shop) -> None:
        await shop.post(INTENTS, HOLD)
        for path, body, key in sequence:
            before = shop.books()
            answer = await shop.post(path, body, key)
            moved_only_if_carried_out(before, shop.books(), answer)
        await agree(shop)

    visit(story)


def moved_only_if_carried_out(before: list[Entry], after: list[Entry], answer: Answer) -> None:
    assert answer.status in (200, 400, 402, 404)
    if answer.status in (400, 404):
        assert after == before


async def agree(shop: Shop) -> None:
    """Every intent has one entry, and both tell the same of the money."""
    listed: list[Json] = (await shop.get(INTENTS, limit=100, expand__="data.latest_charge")).json[
        "data"
    ]
    entries = shop.books()
    assert len(entries) == len(listed)
    for intent, entry in zip(reversed(listed), entries, strict=True):
        assert entry.terms is not None
        taken = entry.state in ("paid", "refunded")
        assert taken == (intent["status"] == "succeeded")
        assert intent["amount_received"] == (entry.terms.amount_minor if taken else 0)
        assert entry.refunded_minor <= intent["amount_received"] <= intent["amount"]
        if taken:
            assert intent["latest_charge"]["amount_refunded"] == entry.refunded_minor
        states = {"canceled": ("voided", "declined"), "requires_capture": ("open",)}
        if intent["status"] in states:
            assert entry.state in states[intent["status"]]
