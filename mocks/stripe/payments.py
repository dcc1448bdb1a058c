"""The Stripe mock's payments: what becomes of an intent, and the books that go with it.

Where money stands is the ledger's alone: each intent has an entry there, under the order number
that the app notes in its metadata, or under its own id if there is none or it is taken. Not
modelled: other methods than cards, a payer who authenticates (an intent that requires action stays
so until it is canceled), refunds of what is not captured, and settling in another currency.
"""

from collections.abc import Callable
from typing import Literal

from msgspec.structs import replace

from harness.providers import stripe as wire
from harness.providers.stripe import errors
from harness.providers.stripe.events import EventType
from harness.providers.stripe.objects import (
    BalanceTransaction,
    Charge,
    PaymentIntent,
    PaymentMethod,
    Refund,
    Thing,
)
from harness.providers.stripe.requests import (
    CancelIntent,
    CaptureIntent,
    ConfirmIntent,
    CreateIntent,
    CreateMethod,
    CreateRefund,
)
from mocks.ledger import Entry, Ledger, Refused, Standing, Terms, declines
from mocks.stripe import made
from mocks.stripe.cards import AUTHENTICATE, GENERIC, Card, Decline, Verdict, by_name, by_number
from mocks.stripe.shelf import Shelf, no_such
from mocks.stripe.standing import standing


class Payments:
    """`note` is told of everything that happens, when it has happened."""

    def __init__(
        self,
        ledger: Ledger,
        shelf: Shelf,
        now: Callable[[], int],
        note: Callable[[EventType, Thing], None],
    ) -> None:
        self._ledger = ledger
        self._shelf = shelf
        self._now = now
        self._note = note
        self._verdicts: dict[str, Verdict] = {}
        """By the id of a payment method: what its card does. The number is not kept."""
        self._numbers: dict[str, str] = {}
        """The order number in the books, by the id of an intent."""
        self._intents: dict[str, str] = {}
        """The other way round."""
        self.settled_minor: dict[str, int] = {}
        """By currency, as the balance transactions add up: the books' own sum has to be the
        same."""

    def create_method(self, asked: CreateMethod) -> PaymentMethod | wire.Refusal:
        token, number = asked.card.token, asked.card.number
        if token is not None:
            ready = by_name(token)
            if ready is None:
                return errors.no_such("token", token, "card[token]", 400)
            return self._put_method(ready, asked)
        if number is None:
            return errors.missing("card[number]")
        card = by_number(number)
        return _card_error(card) if isinstance(card, Decline) else self._put_method(card, asked)

    def create(self, asked: CreateIntent) -> PaymentIntent | wire.Refusal:
        if asked.customer is not None and self._shelf.find(asked.customer) is None:
            return no_such("customers", asked.customer, "customer")
        paying = self._paying(asked)
        if isinstance(paying, wire.Refusal):
            return paying
        id_ = self._shelf.new_id("pi")
        opened = self._ledger.open(self._terms(id_, asked))
        if isinstance(opened, Refused):
            return errors.unfit(opened.why)
        self._numbers[id_], self._intents[opened.order_no] = opened.order_no, id_
        intent = made.intent(id_, asked, paying, self._now())
        self._put("payment_intent.created", intent)
        if paying is None or not asked.confirm:
            return intent
        return self._pay(intent, paying, asked)

    def confirm(self, asked: ConfirmIntent) -> PaymentIntent | wire.Refusal:
        intent = self._shelf.intent(asked.id)
        if intent is None:
            return no_such("payment_intents", asked.id)
        if intent.status not in errors.ALLOWED["confirm"]:
            return errors.unexpected_state("confirm", intent)
        paying = self._paying(asked) or self._shelf.method(str(intent.payment_method))
        if isinstance(paying, wire.Refusal):
            return paying
        if paying is None:
            return errors.needs_method(intent)
        automatic = intent.automatic_payment_methods
        if automatic and automatic.allow_redirects == "always" and not asked.return_url:
            return errors.needs_return_url()
        self._ledger.reopen(self._numbers[intent.id])
        return self._pay(intent, paying, asked)

    def capture(self, asked: CaptureIntent) -> PaymentIntent | wire.Refusal:
        intent = self._shelf.intent(asked.id)
        if intent is None:
            return no_such("payment_intents", asked.id)
        if intent.status not in errors.ALLOWED["capture"]:
            return errors.unexpected_state("capture", intent)
        most = intent.amount_capturable
        amount = asked.amount_to_capture or most
        if amount > most:
            return errors.amount_too_large(most, intent.currency, "amount_to_capture")
        self._ledger.lower(self._numbers[intent.id], amount)
        return self._take(intent, self._shelf.charge_of(intent), "charge.captured")

    def cancel(self, asked: CancelIntent) -> PaymentIntent | wire.Refusal:
        intent = self._shelf.intent(asked.id)
        if intent is None:
            return no_such("payment_intents", asked.id)
        if intent.status not in errors.ALLOWED["cancel"]:
            return errors.unexpected_state("cancel", intent)
        self._ledger.void(self._numbers[intent.id])  # A declined one stays declined.
        if intent.status == "requires_capture":
            held = self._shelf.charge_of(intent)
            self._shelf.put(replace(held, amount_refunded=held.amount, refunded=True))
        canceled = replace(
            intent,
            status="canceled",
            amount_capturable=0,
            canceled_at=self._now(),
            cancellation_reason=asked.cancellation_reason,
            next_action=None,
        )
        return self._put("payment_intent.canceled", canceled)

    def refund(self, asked: CreateRefund) -> Refund | wire.Refusal:
        intent = self._refunded(asked)
        if isinstance(intent, wire.Refusal):
            return intent
        if intent.status != "succeeded":
            return errors.nothing_to_refund(intent.id)
        charge = self._shelf.charge_of(intent)
        left = charge.amount_captured - charge.amount_refunded
        amount = asked.amount or left
        if left == 0:
            return errors.already_refunded(charge.id)
        if amount > left:
            return errors.refund_too_large(amount, left, intent.currency)
        id_ = self._shelf.new_id("re")
        entry = self._ledger.refund(self._numbers[intent.id], id_, amount)
        if isinstance(entry, Refused):
            return errors.unfit(entry.why)
        given = entry.refunded_minor
        charge = replace(charge, amount_refunded=given, refunded=given == charge.amount_captured)
        back = self._move("refund", id_, charge.currency, -amount)
        refund = made.refund(asked, charge, back, self._now())
        self._shelf.put(charge)
        self._shelf.put(refund)
        self._note("charge.refunded", charge)
        self._note("refund.created", refund)
        return refund

    def stands(self, entry: Entry) -> Standing:
        intent = self._shelf.intent(self._intents[entry.order_no])
        assert intent is not None
        return standing(self._shelf, intent, entry)

    # How a try to pay ends

    def _pay(
        self, intent: PaymentIntent, paying: PaymentMethod, asked: CreateIntent | ConfirmIntent
    ) -> PaymentIntent | wire.Refusal:
        intent = replace(
            intent, payment_method=paying.id, last_payment_error=None, next_action=None
        )
        verdict = GENERIC if declines(self._booked(intent)) else self._verdicts[paying.id]
        if verdict == "authenticates" and (asked.off_session or asked.error_on_requires_action):
            verdict = AUTHENTICATE
        if verdict == "authenticates":
            action = made.action(asked.return_url)
            waiting = replace(intent, status="requires_action", next_action=action)
            return self._put("payment_intent.requires_action", waiting)
        charge = made.charge(self._shelf.new_id("ch"), intent, paying, self._now())
        if verdict != "pays":
            return self._decline(intent, charge, paying, verdict)
        if intent.capture_method != "manual":
            return self._take(intent, charge, "charge.succeeded")
        return self._hold(intent, charge)

    def _hold(self, intent: PaymentIntent, charge: Charge) -> PaymentIntent:
        """The issuer holds the money until it is captured."""
        self._shelf.put(charge)
        self._note("charge.succeeded", charge)
        held = replace(
            intent,
            status="requires_capture",
            amount_capturable=intent.amount,
            latest_charge=charge.id,
        )
        return self._put("payment_intent.amount_capturable_updated", held)

    def _take(
        self,
        intent: PaymentIntent,
        charge: Charge,
        how: Literal["charge.succeeded", "charge.captured"],
    ) -> PaymentIntent:
        """The money moves: as much as the books say."""
        entry = self._ledger.capture(self._booked(intent))
        assert isinstance(entry, Entry) and entry.terms  # What they decline was declined before.
        amount = entry.terms.amount_minor
        moved = self._move("charge", charge.id, charge.currency, amount, entry.fee_minor)
        charge = replace(
            charge, amount_captured=amount, balance_transaction=moved.id, captured=True
        )
        self._shelf.put(charge)
        self._note(how, charge)
        paid = replace(
            intent,
            status="succeeded",
            amount_capturable=0,
            amount_received=amount,
            latest_charge=charge.id,
        )
        return self._put("payment_intent.succeeded", paid)

    def _decline(
        self, intent: PaymentIntent, charge: Charge, paying: PaymentMethod, why: Decline
    ) -> wire.Refusal:
        self._ledger.decline(self._numbers[intent.id])
        charge = made.failed_charge(charge, why)
        self._shelf.put(charge)
        self._note("charge.failed", charge)
        failed = made.failed_intent(intent, charge.id, paying, why)
        self._put("payment_intent.payment_failed", failed)
        return _card_error(why, charge.id, failed)

    # What it is done with

    def _terms(self, id_: str, asked: CreateIntent) -> Terms:
        told = asked.metadata
        order_no = told.get(wire.ORDER_NO, "")
        taken = isinstance(self._ledger.find(order_no), Entry)
        return Terms(
            id_ if not order_no or taken or order_no.startswith("pi_") else order_no,
            told.get(wire.USER, ""),
            told.get(wire.METHOD, "card"),
            asked.amount,
            asked.currency.upper(),
            told.get(wire.PAYEE, ""),
        )

    def _booked(self, intent: PaymentIntent) -> Terms:
        entry = self._ledger.find(self._numbers[intent.id])
        assert isinstance(entry, Entry) and entry.terms
        return entry.terms

    def _paying(self, asked: CreateIntent | ConfirmIntent) -> PaymentMethod | wire.Refusal | None:
        """What to pay with: described in the call, ready-made for tests, or made before."""
        if asked.payment_method_data is not None:
            return self.create_method(asked.payment_method_data)
        name = asked.payment_method
        if name is None:
            return None
        if card := by_name(name):
            return self._put_method(card, None)
        return self._shelf.method(name) or no_such("payment_methods", name, "payment_method")

    def _put_method(self, card: Card, asked: CreateMethod | None) -> PaymentMethod:
        method = made.method(self._shelf.new_id("pm"), card, asked, self._now())
        self._verdicts[method.id] = card.verdict
        self._shelf.put(method)
        return method

    def _move(
        self,
        kind: Literal["charge", "refund"],
        source: str,
        currency: str,
        amount: int,
        fee: int = 0,
    ) -> BalanceTransaction:
        id_ = self._shelf.new_id("txn")
        moved = made.moved(id_, kind, source, currency, amount, fee, self._now())
        self._shelf.put(moved)
        name = currency.upper()
        self.settled_minor[name] = self.settled_minor.get(name, 0) + moved.net
        return moved

    def _refunded(self, asked: CreateRefund) -> PaymentIntent | wire.Refusal:
        """The payment that a refund is of."""
        if asked.payment_intent is not None:
            intent = self._shelf.intent(asked.payment_intent)
            return intent or errors.no_such(
                "payment_intent", asked.payment_intent, "payment_intent"
            )
        charge = self._shelf.charge(asked.charge or "")
        intent = self._shelf.intent(charge.payment_intent or "") if charge else None
        return intent or errors.no_such("charge", asked.charge or "", "charge")

    def _put(self, what: EventType, intent: PaymentIntent) -> PaymentIntent:
        self._shelf.put(intent)
        self._note(what, intent)
        return intent


def _card_error(
    why: Decline, charge: str = "", intent: PaymentIntent | None = None
) -> wire.Refusal:
    return errors.card_error(
        why.code, why.message, decline_code=why.decline_code, charge=charge, intent=intent
    )
