"""How an order stands by Stripe's own objects, beside the books; it decides nothing.

Intent, charge and balance transaction are read, and the books are asked only what no object tells.
"""

from harness.providers.stripe.objects import BalanceTransaction, PaymentIntent
from mocks.ledger import Entry, Standing, State
from mocks.stripe.shelf import Shelf

_UNPAID: tuple[State, ...] = ("open", "declined")
_GIVEN_UP: tuple[State, ...] = ("voided", "declined")


def standing(shelf: Shelf, intent: PaymentIntent, entry: Entry) -> Standing:
    """Whether an unpaid one was declined, only the books remember."""
    if intent.status != "succeeded":
        may_be = _GIVEN_UP if intent.status == "canceled" else _UNPAID
        state = entry.state if entry.state in may_be else may_be[0]
        return Standing(state, entry.terms.amount_minor if entry.terms else 0, 0, 0)
    charge = shelf.charge_of(intent)
    moved = shelf.find(str(charge.balance_transaction))
    return Standing(
        "refunded" if charge.amount_refunded else "paid",
        intent.amount_received,
        charge.amount_refunded,
        moved.fee if isinstance(moved, BalanceTransaction) else 0,
    )
