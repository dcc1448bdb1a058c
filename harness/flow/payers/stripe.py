"""Paying by Stripe: one call that creates and confirms, and no session; it knows no wire format.

Every call that moves money has an idempotency key made from the business intent alone, so however
often one is sent it acts once. An app has no browser at hand: a card that wants its owner to
authenticate is as good as declined, and its intent is canceled so that nobody completes it later.
"""

from harness.flow.flow import Flow
from harness.flow.payers import Payment, Refund, Session, Settlement, Stale, sessionless
from harness.flow.payers.closing import Closing
from harness.providers import stripe as wire
from harness.providers.call import Endpoint, Malformed, Unreachable, code_name
from harness.record import Outcome

TEST_CARD = "pm_card_visa"
KEPT_IDS = 10_000
"""Of the newest payments; an older one is found by its order number."""

_OUTCOMES: dict[wire.Status, Outcome] = {"succeeded": "paid", "canceled": "reversed"}
_ALL_BACK = "charge_already_refunded"
_FORBIDDEN = (_ALL_BACK, "charge_disputed", "resource_missing")
"""What the rules say of a refund that they do not allow."""
_UNFIT = ("amount", "payment_intent")
"""Where they give no code: the parameters that cannot be as they are, more than is left, or of what
nobody has paid."""
_BACK = ("succeeded", "pending")
"""What a refund says that cannot be stopped any more."""


class Stripe:
    """One app's client, which pays everything with one card."""

    good_end: Outcome = "paid"
    has_sessions = False

    def __init__(self, at: Endpoint, card: str = TEST_CARD) -> None:
        self._at = at
        self._card = card
        self._ids: dict[str, str] = {}
        self._closing = Closing(self._close)

    async def start(self, flow: Flow) -> None:
        pass

    async def connect(self, flow: Flow) -> None:
        await flow.connect(wire.NAME, self._at)

    async def open_session(self, flow: Flow, user: str, method: str) -> Session:
        return sessionless(method)

    async def refresh_session(self, flow: Flow, user: str, session: Session) -> Session:
        return session

    async def authorize(self, flow: Flow, session: Session, payment: Payment) -> Settlement | Stale:
        told = await self._create(flow, "pay", payment, confirm=True)
        if isinstance(told, wire.Refusal):
            if told.declined:
                return Settlement("declined")
            raise Malformed(f"payment refused: {code_name(told.code or told.type)}")
        if told.status == "requires_action":
            canceled = await self._cancel(flow, "reverse", payment, told.id)
            if isinstance(canceled, wire.Refusal):
                raise Malformed(f"an open payment stands: {code_name(canceled.code)}")
            return Settlement("declined")
        settled = _settlement(told)
        if settled is None:
            raise Unreachable("nothing tells yet how the payment ends")
        return settled

    async def query(self, flow: Flow, session: Session, payment: Payment) -> Settlement | None:
        intent = await self._find(flow, payment)
        return _settlement(intent) if intent else None

    async def void(self, flow: Flow, session: Session, payment: Payment) -> bool:
        """Cancel what is not paid yet, give back what is. Of what nobody knows the place is taken,
        so that a payment still on its way comes too late. An intent of which it is not sure that it
        is ended is canceled beside the turn: it is nothing that stays open."""
        return await self._closing.unless_ended(flow, payment, self._end(flow, payment))

    async def refund(
        self, flow: Flow, session: Session, payment: Payment, refund: Refund
    ) -> Settlement | Stale:
        id_ = self._ids.get(payment.order_no)
        if id_ is None:
            intent = await self._find(flow, payment)
            id_ = intent.id if intent else None
        if id_ is None:
            return Settlement("declined")
        part = wire.CreateRefund(
            payment_intent=id_, amount=refund.amount_minor, expand=[*wire.REFUND_WITH_FEE]
        )
        key = f"refund-{payment.order_no}-{refund.refund_no}"
        told = await flow.call("refund", wire.create_refund(self._at, part, key))
        if isinstance(told, wire.Refusal) and not _forbids(told):
            raise Malformed(f"refund refused: {code_name(told.code or told.type)}")
        if isinstance(told, wire.Refusal) or told.status not in _BACK:
            return Settlement("declined")
        return Settlement("refunded", wire.fee_minor(told.charge))

    async def _end(self, flow: Flow, payment: Payment) -> bool:
        intent = await self._find(flow, payment) or await self._take_place(flow, payment)
        if intent is None or intent.status == "canceled":
            return True
        if intent.status != "succeeded":
            told = await self._cancel(flow, "reverse", payment, intent.id)
            if isinstance(told, wire.PaymentIntent):
                return told.status == "canceled"
        return await self._give_all_back(flow, payment, intent.id)

    async def _close(self, flow: Flow, payment: Payment) -> bool:
        """Whether none is open. One that is paid is none: nothing is given back here, and nothing
        is confirmed."""
        intent = await self._find(flow, payment, "close")
        if intent is None:
            told = await self._create(flow, "close", payment, confirm=False)
            intent = told.payment_intent if isinstance(told, wire.Refusal) else told
        if intent is None or intent.status in ("succeeded", "canceled"):
            return True
        canceled = await self._cancel(flow, "close", payment, intent.id)
        return isinstance(canceled, wire.PaymentIntent) and canceled.status == "canceled"

    async def _create(
        self, flow: Flow, stage: str, payment: Payment, *, confirm: bool
    ) -> wire.PaymentIntent | wire.Refusal:
        wish = payment.wish
        asked = wire.CreateIntent(
            amount=wish.amount_minor,
            currency=wish.currency.lower(),
            # In one step, so that the answer tells the fee.
            capture_method="automatic",
            confirm=confirm,
            expand=[*wire.WITH_FEE],
            metadata={
                wire.ORDER_NO: payment.order_no,
                wire.USER: payment.user,
                wire.METHOD: wish.method,
                wire.PAYEE: wish.payee,
            },
            payment_method=self._card,
            payment_method_types=["card"],
        )
        told = await flow.call(
            stage, wire.create_intent(self._at, asked, f"pay-{payment.order_no}")
        )
        intent = told.payment_intent if isinstance(told, wire.Refusal) else told
        if intent is not None:
            self._remember(payment.order_no, intent.id)
        return told

    async def _find(
        self, flow: Flow, payment: Payment, stage: str = "query"
    ) -> wire.PaymentIntent | None:
        """By its id, where an answer told it, else by the order number."""
        if id_ := self._ids.get(payment.order_no):
            told = await flow.call(stage, wire.retrieve_intent(self._at, id_))
            return told if isinstance(told, wire.PaymentIntent) else None
        intent = await flow.call(stage, wire.find_intent(self._at, payment.order_no))
        if intent is not None:
            if intent.amount != payment.wish.amount_minor:
                raise Malformed("the payment is of another amount")
            self._remember(payment.order_no, intent.id)
        return intent

    async def _take_place(self, flow: Flow, payment: Payment) -> wire.PaymentIntent | None:
        """An intent that pays nothing, under the key of the payment: then the payment itself is
        refused whenever it comes. If it has come before, the key says so, and to send it once more
        only repeats its answer. None when it can never have been paid."""
        told = await self._create(flow, "reverse", payment, confirm=False)
        if isinstance(told, wire.Refusal) and told.type == "idempotency_error":
            told = await self._create(flow, "reverse", payment, confirm=True)
            if isinstance(told, wire.Refusal) and told.type == "idempotency_error":
                raise Malformed("the key is of a payment of other terms", code=told.type)
        return told.payment_intent if isinstance(told, wire.Refusal) else told

    async def _cancel(
        self, flow: Flow, stage: str, payment: Payment, id_: str
    ) -> wire.PaymentIntent | wire.Refusal:
        key = f"cancel-{payment.order_no}"
        return await flow.call(stage, wire.cancel_intent(self._at, id_, key))

    async def _give_all_back(self, flow: Flow, payment: Payment, id_: str) -> bool:
        """Whatever is left of it."""
        rest = wire.CreateRefund(payment_intent=id_)
        key = f"void-{payment.order_no}"
        told = await flow.call("reverse", wire.create_refund(self._at, rest, key))
        if isinstance(told, wire.Refusal):
            return told.code == _ALL_BACK
        return told.status in _BACK

    def _remember(self, order_no: str, id_: str) -> None:
        self._ids[order_no] = id_
        if len(self._ids) > KEPT_IDS:
            del self._ids[next(iter(self._ids))]


def _forbids(told: wire.Refusal) -> bool:
    """Whether it is the rules of refunds that say no, and not those of asking."""
    if told.type == "idempotency_error":
        return False
    return told.code in _FORBIDDEN or (not told.code and told.param in _UNFIT)


def _settlement(intent: wire.PaymentIntent) -> Settlement | None:
    """None while it is open how the payment ends."""
    charge = intent.latest_charge
    if intent.status == "requires_payment_method" and intent.last_payment_error:
        return Settlement("declined")
    outcome = _OUTCOMES.get(intent.status)
    if outcome is None:
        return None
    if outcome == "paid" and isinstance(charge, wire.Charge) and charge.amount_refunded:
        outcome = "refunded"
    return Settlement(outcome, wire.fee_minor(charge))
