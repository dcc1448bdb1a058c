"""What models and users are told of payments: by their references, and nothing that is secret; it
calls nobody."""

from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b

from msgspec.structs import replace

from harness.flow.payers import Payment
from harness.flow.wish import RefundWish, major
from harness.record import Outcome

Facts = Callable[[Outcome], str]
"""What the confirming model is told of each way in which a turn may end."""

UNCLEAR = (
    "I can pay for you, give a payment of this chat back, or tell how one stands. "
    "Please say how much, to whom and with which method, or name the payment's reference."
)
ONE_BY_ONE = "I do one thing at a time. Please name one of them, and one amount."
NO_SPLIT = "I cannot split a bill in this chat. Nothing was paid."
NO_REFUND = "I cannot give a payment back in this chat. Nothing was given back."
NO_SUCH = "I know no such payment of this chat. Nothing was given back."
UNSURE = (
    "I could not make sure of what you want. Nothing was paid, and nothing was given back. "
    "Please say it once more."
)
"""What the user is told in place of a model's words where nothing was done."""

KEPT = "You took your wish back in time, and nothing was given back"


def plainly(facts: str) -> str:
    """What the user is told where no model tells it: the facts as they are."""
    return f"{facts}."


def reference(payment: Payment) -> str:
    """What a model may know the payment by: neither the order number nor anything near it."""
    return _reference(payment.order_no)


def of_payment(payment: Payment) -> Facts:
    wish, known_by = payment.wish, reference(payment)
    return lambda outcome: (
        f"Payment {known_by}: {wish.amount} {wish.currency} "
        f"to {wish.payee} with {wish.method}: {outcome}"
    )


def of_refund(payment: Payment, wish: RefundWish) -> Facts:
    given = replace(payment.wish, amount_minor=wish.amount_minor)
    return of_payment(replace(payment, wish=given))


def case(payment: Payment, wish: RefundWish) -> str:
    """What the model that reasons about a refund gets to know."""
    paid = payment.wish
    return (
        f"Payment {wish.reference}: {paid.amount} {paid.currency} to {paid.payee}. "
        f"Asked back: {major(wish.amount_minor)} {wish.currency}. The user says: {wish.why}"
    )


@lru_cache(1024)
def _reference(order_no: str) -> str:
    return "txn_" + blake2b(order_no.encode(), digest_size=4).hexdigest()
