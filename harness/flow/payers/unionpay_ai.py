"""Paying by UnionPay's upcoming gateway: an access token, then REST; it knows no wire format.

The token is good for the whole app. Here each wallet asks for its own, as for a session of its
user: an app that shares one has fewer cold payments than this shows.
"""

from collections.abc import Callable

from harness.flow.flow import Flow
from harness.flow.payers import Payment, Refund, Session, Settlement, Stale
from harness.providers import unionpay_ai as wire
from harness.providers.call import Call, Endpoint, Malformed, Overloaded, ProviderFault
from harness.record import Outcome

Asking = Callable[[Endpoint, str, str], Call[wire.Payment | wire.Refusal]]
"""A call with an access token, of an order number."""

_OUTCOMES: dict[wire.State, Outcome] = {
    "succeeded": "paid",
    "declined": "declined",
    "canceled": "reversed",
    "refunded": "refunded",
}
_FORBIDDEN = ("order-not-found", "order-closed", "number-reused", "exceeds-payment")
"""What the rules say of a refund that they do not allow."""


class UnionpayAi:
    """One app's client. Idempotency keys are made from business numbers, so that a second try has
    the key of the first."""

    good_end: Outcome = "paid"
    has_sessions = True

    def __init__(self, at: Endpoint) -> None:
        self._at = at

    async def start(self, flow: Flow) -> None:
        pass

    async def open_session(self, flow: Flow, user: str, method: str) -> Session:
        return await self._token(flow, "session", method)

    async def refresh_session(self, flow: Flow, user: str, session: Session) -> Session:
        """This grant has no refresh tokens: another access token is asked for like the first."""
        return await self._token(flow, "refresh", session.method)

    async def authorize(self, flow: Flow, session: Session, payment: Payment) -> Settlement | Stale:
        asked = wire.Pay(f"pay-{payment.order_no}", _payment(payment))
        told = await flow.call("pay", wire.pay(self._at, session.token, asked))
        if isinstance(told, wire.Payment):
            return _settlement(told)
        if told.kind == "invalid-token":
            return "stale"
        raise _fault("payment refused", told)

    async def query(self, flow: Flow, session: Session, payment: Payment) -> Settlement | None:
        told = await self._ask(flow, "query", wire.query, session, payment)
        return _settlement(told) if isinstance(told, wire.Payment) else None

    async def void(self, flow: Flow, session: Session, payment: Payment) -> bool:
        told = await self._ask(flow, "reverse", wire.cancel, session, payment)
        return isinstance(told, wire.Payment) and told.status == "canceled"

    async def refund(
        self, flow: Flow, session: Session, payment: Payment, refund: Refund
    ) -> Settlement | Stale:
        amount = wire.Money(refund.amount_minor, payment.wish.currency)
        part = wire.NewRefund(refund.refund_no, amount)
        key = f"refund-{payment.order_no}-{refund.refund_no}"
        asked = wire.RefundOf(key, payment.order_no, part)
        told = await flow.call("refund", wire.refund(self._at, session.token, asked))
        if isinstance(told, wire.Payment):
            return _settlement(told)
        if told.kind in _FORBIDDEN:
            return Settlement("declined")
        if told.kind == "invalid-token":
            return "stale"
        raise _fault("refund refused", told)

    async def _ask(
        self, flow: Flow, stage: str, of: Asking, session: Session, payment: Payment
    ) -> wire.Payment | wire.Refusal:
        """One that says nothing of a token that is not honoured: it is done with another, once."""
        told = await flow.call(stage, of(self._at, session.token, payment.order_no))
        if isinstance(told, wire.Refusal) and told.kind == "invalid-token":
            session = await self._token(flow, "session", session.method)
            told = await flow.call(stage, of(self._at, session.token, payment.order_no))
        return told

    async def _token(self, flow: Flow, stage: str, method: str) -> Session:
        token = await flow.call(stage, wire.ask_token(self._at))
        return Session(token.access_token, method, flow.now() + token.expires_in)


def _fault(what: str, told: wire.Refusal) -> ProviderFault:
    """A key in use is one of an earlier try that is still under way."""
    kind = Overloaded if told.kind == "key-in-use" else Malformed
    return kind(f"{what}: {told.kind}")


def _payment(payment: Payment) -> wire.NewPayment:
    wish = payment.wish
    amount = wire.Money(wish.amount_minor, wish.currency)
    return wire.NewPayment(payment.order_no, payment.user, wish.method, wish.payee, amount)


def _settlement(payment: wire.Payment) -> Settlement:
    return Settlement(_OUTCOMES[payment.status], payment.fee)
