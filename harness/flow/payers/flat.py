"""Paying by the traditional API: one call and no session; it knows no wire format."""

from harness.flow.flow import Flow
from harness.flow.payers import (
    Payment,
    Refund,
    Session,
    Settlement,
    Stale,
    sessionless,
)
from harness.providers import flat as wire
from harness.providers.call import Endpoint, Malformed
from harness.record import Outcome

_OUTCOMES: dict[wire.State, Outcome] = {
    "paid": "paid",
    "declined": "declined",
    "voided": "reversed",
    "refunded": "refunded",
}


class Flat:
    """One app's client. It keeps nothing between calls."""

    good_end: Outcome = "paid"
    has_sessions = False

    def __init__(self, at: Endpoint) -> None:
        self._at = at

    async def start(self, flow: Flow) -> None:
        pass

    async def open_session(self, flow: Flow, user: str, method: str) -> Session:
        return sessionless(method)

    async def refresh_session(self, flow: Flow, user: str, session: Session) -> Session:
        return session

    async def authorize(self, flow: Flow, session: Session, payment: Payment) -> Settlement | Stale:
        wish = payment.wish
        asked = wire.NewPayment(
            order_no=payment.order_no,
            amount_minor=wish.amount_minor,
            currency=wish.currency,
            payer=payment.user,
            method=wish.method,
            payee=wish.payee,
        )
        told = await flow.call("pay", wire.pay(self._at, asked))
        if isinstance(told, wire.Payment):
            return _settlement(told)
        if told.kind == "declined":
            return Settlement("declined")
        raise Malformed(f"payment refused: {told.kind}")

    async def query(self, flow: Flow, session: Session, payment: Payment) -> Settlement | None:
        told = await flow.call("query", wire.query(self._at, payment.order_no))
        return _settlement(told) if isinstance(told, wire.Payment) else None

    async def void(self, flow: Flow, session: Session, payment: Payment) -> bool:
        told = await flow.call("reverse", wire.void(self._at, payment.order_no))
        return isinstance(told, wire.Payment) and told.status == "voided"

    async def refund(
        self, flow: Flow, session: Session, payment: Payment, refund: Refund
    ) -> Settlement | Stale:
        part = wire.NewRefund(refund.refund_no, refund.amount_minor)
        asked = wire.RefundOf(payment.order_no, part)
        told = await flow.call("refund", wire.refund(self._at, asked))
        return _settlement(told) if isinstance(told, wire.Payment) else Settlement("declined")


def _settlement(payment: wire.Payment) -> Settlement:
    return Settlement(_OUTCOMES[payment.status], payment.fee_minor)
