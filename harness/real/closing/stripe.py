"""Ends intents of Stripe's test mode: what is not paid is canceled, what is paid given back.

An intent whose id no answer told is looked for among the newest of the account, by the order number
in its metadata: a list shows what is there now, which the search does only later, and to send the
order again would make it if it never came.
"""

import asyncio
from collections.abc import Sequence

from harness.providers import stripe as wire
from harness.providers.call import Endpoint, code_name
from harness.real.closing.closer import ANOTHERS, Caller, Over, Stays, Step
from harness.real.journal import Entry

MOST_PAGES = 100
"""Of a hundred intents each."""
AHEAD_S = 3600.0
"""How far Stripe's clock may be behind ours."""


class StripeCloser:
    def __init__(self, at: Endpoint, entries: Sequence[Entry]) -> None:
        self._at = at
        self._since_s = min((entry.at for entry in entries), default=0.0) - AHEAD_S
        self._ids: dict[str, str] = {}
        self._listed_s = -1.0
        self._whole = True
        self._listing = asyncio.Lock()

    async def step(self, caller: Caller, entry: Entry) -> Step:
        id_ = entry.id or await self._find(caller, entry.order_no)
        if not id_:
            return "absent" if self._whole else Stays("the account has too many newer intents")
        told = await caller.call(wire.retrieve_intent(self._at, id_))
        if isinstance(told, wire.Refusal):
            return Stays(
                f"Stripe shows no such intent ({_code(told)}): is the key another account's?"
            )
        if told.metadata.get(wire.ORDER_NO) != entry.order_no:
            return Stays("the intent of that id is of another order", again=False)
        if told.status == "canceled":
            return Over("closed")
        if (told.amount, told.currency.upper()) != (entry.amount_minor, entry.currency):
            return ANOTHERS
        if told.status == "succeeded":
            return await self._give_back(caller, entry, told)
        return await self._cancel(caller, entry, told)

    async def _cancel(self, caller: Caller, entry: Entry, intent: wire.PaymentIntent) -> Step:
        key = _key("cancel", caller, entry)
        told = await caller.call(wire.cancel_intent(self._at, intent.id, key))
        if isinstance(told, wire.Refusal):
            return Stays(f"it is {intent.status} and cannot be canceled ({_code(told)})")
        return Over("closed") if told.status == "canceled" else Stays(f"it is {told.status}")

    async def _give_back(self, caller: Caller, entry: Entry, intent: wire.PaymentIntent) -> Step:
        """What is left of it, told as an amount: no server gives back more than that then."""
        charge = intent.latest_charge
        back = charge.amount_refunded if isinstance(charge, wire.Charge) else 0
        rest = intent.amount - back
        if rest <= 0:
            return Over("refunded")
        asked = wire.CreateRefund(payment_intent=intent.id, amount=rest)
        told = await caller.call(wire.create_refund(self._at, asked, _key("back", caller, entry)))
        if isinstance(told, wire.Refusal):
            if told.code == "charge_already_refunded":
                return Over("refunded")
            return Stays(f"it is paid, and cannot be given back ({_code(told)})")
        if told.status in ("succeeded", "pending"):
            return Over("refunded")
        return Stays(f"it is paid, and its refund is {told.status}")

    async def _find(self, caller: Caller, order_no: str) -> str:
        """Those who look at once look at one list, and never at one from before they looked."""
        asked_s = caller.now_s()
        async with self._listing:
            if order_no not in self._ids and self._listed_s < asked_s:
                began_s = caller.now_s()
                await self._list(caller)
                self._listed_s = began_s
        return self._ids.get(order_no, "")

    async def _list(self, caller: Caller) -> None:
        after = ""
        for _ in range(MOST_PAGES):
            page = await caller.call(wire.list_intents(self._at, after))
            for intent in page.data:
                if number := intent.metadata.get(wire.ORDER_NO):
                    self._ids[number] = intent.id
            last = page.data[-1] if page.data else None
            if last is None or not page.has_more or last.created < self._since_s:
                self._whole = True
                return
            after = last.id
        self._whole = False


def _key(what: str, caller: Caller, entry: Entry) -> str:
    """Another for each try: Stripe repeats under one key even that it failed, and a try comes only
    after a look at what the one before it did."""
    return f"reap-{what}-{entry.order_no}-{caller.nonce()}"


def _code(told: wire.Refusal) -> str:
    return code_name(told.code or told.type)
