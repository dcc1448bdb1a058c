"""Paying with as little as there is: another payer's orders, each of the least amount and under a
number that no other run has. It never pays what the wish says, and no model learns of it; what the
turn notes is what was paid."""

from collections.abc import Mapping

from msgspec.structs import replace

from harness.flow.flow import Flow
from harness.flow.payers import Payer, Payment, Refund, Session, Settlement, Stale
from harness.flow.payers.around import Around
from harness.flow.wish import Wish

PREFIX_JOINT = "_"
"""Letters, digits and this are what every provider takes in an order number."""


class Prudent(Around):
    """A payer for real endpoints. What goes back is as large a part of the least amount as was
    asked for of the wish."""

    def __init__(self, payer: Payer, prefix: str, least_minor: Mapping[str, int]) -> None:
        """`least_minor` is the least amount in every currency that may be ordered in; a wish in
        another is paid in the first."""
        if not least_minor:
            raise ValueError("no currency may be ordered in")
        super().__init__(payer)
        self._prefix = prefix
        self._least_minor = dict(least_minor)
        self._noted: set[str] = set()

    async def open_session(self, flow: Flow, user: str, method: str) -> Session:
        return await self._payer.open_session(flow, user, method)

    async def refresh_session(self, flow: Flow, user: str, session: Session) -> Session:
        return await self._payer.refresh_session(flow, user, session)

    async def authorize(self, flow: Flow, session: Session, payment: Payment) -> Settlement | Stale:
        least = self.least(payment)
        self._note(flow, least.order_no, payment.wish.amount_minor, least.wish)
        return await self._payer.authorize(flow, session, least)

    async def query(self, flow: Flow, session: Session, payment: Payment) -> Settlement | None:
        return await self._payer.query(flow, session, self.least(payment))

    async def void(self, flow: Flow, session: Session, payment: Payment) -> bool:
        return await self._payer.void(flow, session, self.least(payment))

    async def refund(
        self, flow: Flow, session: Session, payment: Payment, refund: Refund
    ) -> Settlement | Stale:
        least = self.least(payment)
        back = _part(least.wish.amount_minor, refund.amount_minor, payment.wish.amount_minor)
        part = Refund(self._number(refund.refund_no), back)
        self._note(
            flow, part.refund_no, refund.amount_minor, replace(least.wish, amount_minor=back)
        )
        return await self._payer.refund(flow, session, least, part)

    def least(self, payment: Payment) -> Payment:
        """The payment as it is really made. A leg of a shared bill is a bill of its own: no legs
        of the least amount add up to another."""
        wish = payment.wish
        currency = wish.currency if wish.currency in self._least_minor else self._first()
        least = self._least_minor[currency]
        return replace(
            payment,
            order_no=self._number(payment.order_no),
            wish=Wish(least, currency, wish.payee, wish.method),
            bill=self._number(payment.bill) if payment.bill else "",
            bill_minor=least if payment.bill else 0,
        )

    def _note(self, flow: Flow, number: str, wished_minor: int, really: Wish) -> None:
        """Once for each number, however often it is tried. A turn with several legs has noted what
        they add up to."""
        if number not in self._noted:
            self._noted.add(number)
            flow.amount_minor += really.amount_minor - wished_minor
            flow.currency = really.currency

    def _first(self) -> str:
        return next(iter(self._least_minor))

    def _number(self, ours: str) -> str:
        return f"{self._prefix}{PREFIX_JOINT}{ours.replace('-', PREFIX_JOINT)}"


def _part(least_minor: int, back_minor: int, wished_minor: int) -> int:
    """All of it for all of the wish, and never nothing."""
    if back_minor >= wished_minor:
        return least_minor
    return max(1, least_minor * back_minor // wished_minor)
