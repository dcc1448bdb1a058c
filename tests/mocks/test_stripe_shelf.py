"""What the Stripe mock shows of what it made: lists, searches, single objects, the balance."""

import httpx
import pytest

from tests.mocks.stripe_shop import KEY, PAY, Shop, visit

INTENTS = "/v1/payment_intents"


def test_every_intent_has_an_entry_of_its_own_whatever_its_order_number() -> None:
    async def story(shop: Shop) -> None:
        for number in ("o-1", "o-1", "", "pi_00000000000009"):
            await shop.pay(**{"metadata[order_no]": number})
        entries = [(entry.order_no, entry.state) for entry in shop.books()]
        assert entries == [
            ("o-1", "paid"),
            ("pi_00000000000002", "paid"),
            ("pi_00000000000003", "paid"),
            ("pi_00000000000004", "paid"),
        ]

    visit(story)


def test_lists_show_the_newest_first_and_are_leafed_through_both_ways() -> None:
    async def story(shop: Shop) -> None:
        ids = [(await shop.pay(**{"metadata[order_no]": f"o-{n}"}))["id"] for n in range(5)][::-1]

        async def page(**params: object) -> tuple[list[str], bool]:
            told = (await shop.get(INTENTS, **params)).json
            assert (told["object"], told["url"]) == ("list", INTENTS)
            return [one["id"] for one in told["data"]], told["has_more"]

        assert await page() == (ids, False)
        assert await page(limit=2) == (ids[:2], True)
        assert await page(limit=2, starting_after=ids[1]) == (ids[2:4], True)
        assert await page(limit=2, starting_after=ids[3]) == (ids[4:], False)
        assert await page(limit=2, ending_before=ids[3]) == (ids[1:3], True)
        assert await page(limit=3, ending_before=ids[3]) == (ids[:3], False)
        assert await page(customer="cus_1") == ([], False)
        assert await page(customer="cus_1", ending_before=ids[3]) == ([], False)
        lost = await shop.get(INTENTS, starting_after="pi_x")
        assert (lost.status, lost.error["param"]) == (400, "starting_after")

    visit(story)


def test_a_search_is_leafed_through_by_its_next_page() -> None:
    async def story(shop: Shop) -> None:
        for _ in range(3):
            await shop.pay()
        query = "metadata['order_no']:'o-1' AND status:'succeeded'"
        seen: list[str] = []
        page: dict[str, str] = {}
        while True:
            told = (await shop.get(f"{INTENTS}/search", query=query, limit=1, **page)).json
            seen += [one["id"] for one in told["data"]]
            if not told["has_more"]:
                break
            page = {"page": told["next_page"]}
        assert seen == [f"pi_{n:014d}" for n in (3, 2, 1)]
        lost = await shop.get(f"{INTENTS}/search", query=query, page="x")
        assert lost.error["param"] == "page"

    visit(story)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/v1/payment_intents/pi_x", "No such payment_intent: 'pi_x'"),
        ("/v1/payment_methods/pm_x", "No such PaymentMethod: 'pm_x'"),
        ("/v1/charges/ch_x", "No such charge: 'ch_x'"),
        ("/v1/refunds/re_x", "No such refund: 're_x'"),
        ("/v1/refunds/pi_00000000000001", "No such refund: 'pi_00000000000001'"),
        ("/v1/customers/cus_x", "No such customer: 'cus_x'"),
        ("/v1/events/evt_x", "No such event: 'evt_x'"),
    ],
)
def test_what_is_not_there_is_said_to_be_missing(path: str, says: str) -> None:
    async def story(shop: Shop) -> None:
        await shop.pay()
        told = await shop.get(path)
        assert (told.status, told.error["code"]) == (404, "resource_missing")
        assert told.error["message"] == says

    visit(story)


@pytest.mark.parametrize(
    ("path", "params", "status", "param"),
    [
        (INTENTS, {**PAY, "customer": "cus_x"}, 400, "customer"),
        (INTENTS, {**PAY, "payment_method": "pm_x"}, 400, "payment_method"),
        (f"{INTENTS}/pi_x/confirm", {}, 404, "intent"),
        (f"{INTENTS}/pi_x/capture", {}, 404, "intent"),
        (f"{INTENTS}/pi_x/cancel", {}, 404, "intent"),
        ("/v1/refunds", {"payment_intent": "pi_x"}, 404, "payment_intent"),
        ("/v1/refunds", {"charge": "ch_x"}, 404, "charge"),
        ("/v1/payment_methods", {"type": "card", "card[token]": "tok_x"}, 400, "card[token]"),
    ],
)
def test_what_is_not_there_cannot_be_used(
    path: str, params: dict[str, object], status: int, param: str
) -> None:
    async def story(shop: Shop) -> None:
        told = await shop.post(path, params)
        assert (told.status, told.error["code"]) == (status, "resource_missing")
        assert told.error["param"] == param
        assert shop.books() == []

    visit(story)


def test_a_customer_is_made_found_and_paid_for() -> None:
    async def story(shop: Shop) -> None:
        ada = (await shop.post("/v1/customers", {"name": "Ada", "email": "ada@app"})).json
        assert (await shop.get(f"/v1/customers/{ada['id']}")).json == ada
        paid = await shop.pay(customer=ada["id"])
        listed = (await shop.get(INTENTS, customer=ada["id"], expand__="data.customer")).json
        assert [(one["id"], one["customer"]["name"]) for one in listed["data"]] == [
            (paid["id"], "Ada")
        ]

    visit(story)


def test_the_balance_is_what_came_in_less_what_went_out() -> None:
    async def story(shop: Shop) -> None:
        paid = await shop.pay()
        await shop.pay(currency="usd", amount=1000)
        await shop.post("/v1/refunds", {"payment_intent": paid["id"], "amount": 80})
        balance = (await shop.get("/v1/balance")).json
        assert balance["livemode"] is False
        assert {one["currency"]: one["amount"] for one in balance["available"]} == {
            "cny": 4580 - 210 - 80,
            "usd": 1000 - 30,
        }

    visit(story)


def test_it_answers_under_whatever_path_it_is_served() -> None:
    async def story(shop: Shop) -> None:
        for base in ("", "/stripe", "/stripe-list", "/~world/stripe"):
            headers = {"authorization": f"Bearer {KEY}"}
            url = f"http://mocks{base}/v1/balance"
            assert (await shop.send(httpx.Request("GET", url, headers=headers))).status == 200

    visit(story)
