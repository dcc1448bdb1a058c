"""The provider's books: every order, where it stands, what was captured, given back and charged.

It knows nothing of time, wires or delays. An order number names one business intent for ever: the
same number with the same terms is answered again, with other terms it is refused.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from harness.providers.wechat_ai import Order, Receipt, Refusal, State

BLOCKED_PAYEE = "payee-blocked"
"""Paying this payee is always declined: how a scenario asks for a decline."""


@dataclass(slots=True)
class Entry:
    """One order. `order` is None for a number that was voided before any payment came."""

    order: Order | None
    state: State
    transaction_id: str
    fee_minor: int = 0
    refunds: dict[str, int] = field(default_factory=dict)

    @property
    def refunded_minor(self) -> int:
        return sum(self.refunds.values())


class Ledger:
    """Orders by number. Every method answers the receipt, or the refusal that its rules demand."""

    def __init__(self, fee: Callable[[int], int]) -> None:
        self._fee = fee
        self._entries: dict[str, Entry] = {}

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def authorize(self, order: Order) -> Receipt | Refusal:
        entry = self._entries.get(order.order_no)
        if entry is None:
            entry = self._open(order)
        elif entry.order is None:
            return Refusal("ORDER_CLOSED", "this order number was voided")
        elif entry.order != order:
            return Refusal("DUPLICATE_ORDER", "this order number was used with other terms")
        if entry.state == "declined":
            return Refusal("DECLINED", "the payee is blocked")
        return _receipt(order.order_no, entry)

    def query(self, order: Order) -> Receipt | Refusal:
        entry = self._entries.get(order.order_no)
        if entry is None or _paid(entry, order) is None:
            return _NOT_FOUND
        return _receipt(order.order_no, entry)

    def void(self, order: Order) -> Receipt | Refusal:
        """Undo the whole payment. A number that is not known yet is closed for good, so that a
        payment still on its way cannot be captured after the client gave it up."""
        entry = self._entries.get(order.order_no)
        if entry is None:
            entry = self._entries[order.order_no] = Entry(None, "voided", "void-" + order.order_no)
        if entry.order is not None and _paid(entry, order) is None:
            return _NOT_FOUND
        if entry.state in ("declined", "refunded") or entry.refunds:
            return Refusal("ORDER_CLOSED", f"a {entry.state} order cannot be voided")
        entry.state, entry.fee_minor = "voided", 0
        return _receipt(order.order_no, entry)

    def refund(self, order: Order) -> Receipt | Refusal:
        """Give back `order.amount` under `order.refund_no`, in parts if wished. The fee stays."""
        entry = self._entries.get(order.order_no)
        if entry is None or (paid := _paid(entry, order)) is None:
            return _NOT_FOUND
        if not order.refund_no or order.amount <= 0:
            return Refusal("MALFORMED_REQUEST", "a refund needs refund_no and a positive amount")
        if order.refund_no in entry.refunds:
            if entry.refunds[order.refund_no] != order.amount:
                return Refusal("DUPLICATE_ORDER", "this refund number was used with other terms")
            return _receipt(order.order_no, entry)
        if entry.state not in ("paid", "refunded"):
            return Refusal("ORDER_CLOSED", f"a {entry.state} order cannot be refunded")
        if order.currency != paid.currency:
            return Refusal("MALFORMED_REQUEST", f"the payment was made in {paid.currency}")
        if entry.refunded_minor + order.amount > paid.amount:
            return Refusal("REFUND_EXCEEDS_PAID", "more than what is left of the payment")
        entry.refunds[order.refund_no] = order.amount
        entry.state = "refunded"
        return _receipt(order.order_no, entry)

    def _open(self, order: Order) -> Entry:
        declined = order.payee == BLOCKED_PAYEE
        entry = Entry(
            order,
            "declined" if declined else "paid",
            f"wx{len(self._entries):010d}",
            0 if declined else self._fee(order.amount),
        )
        self._entries[order.order_no] = entry
        return entry


_NOT_FOUND = Refusal("ORDER_NOT_FOUND", "no payment under this order number")


def _paid(entry: Entry, asked: Order) -> Order | None:
    """The payment, for whoever made it. To anybody else the number is one that does not exist."""
    return entry.order if entry.order and entry.order.openid == asked.openid else None


def _receipt(order_no: str, entry: Entry) -> Receipt:
    return Receipt(
        order_no,
        entry.transaction_id,
        entry.state,
        entry.order.amount if entry.order else 0,
        entry.order.currency if entry.order else "CNY",
        entry.fee_minor,
        entry.refunded_minor,
    )
