"""What the app holds of its payments, noted as it becomes known; it asks nobody and judges nothing.

Where the world keeps no beliefs, nothing is noted. `lane` is what the books of the payment's
provider go by.
"""

from harness.books import Belief, intent_of
from harness.flow.flow import Flow
from harness.flow.payers import Payment
from harness.record import Outcome


def hold(
    flow: Flow, lane: str, payment: Payment, outcome: Outcome, *, reported: bool = False
) -> None:
    """The payment stands so, as far as the app knows. Of one that is refunded, and by nobody that
    the app knows of, all of it went back."""
    if flow.world.beliefs is None:
        return
    belief = _belief(flow, lane, payment)
    belief.outcome, belief.reported = outcome, reported
    if outcome == "refunded" and not belief.refunded_minor:
        belief.refunded_minor = belief.amount_minor
    flow.world.beliefs.hold(belief)


def hold_back(flow: Flow, lane: str, payment: Payment, amount_minor: int) -> None:
    """So much of it was given back, once more."""
    if flow.world.beliefs is None:
        return
    belief = _belief(flow, lane, payment)
    belief.outcome, belief.reported = "refunded", False
    belief.refunded_minor += amount_minor
    flow.world.beliefs.hold(belief)


def held(flow: Flow, lane: str, payment: Payment) -> Outcome | None:
    """How it stands as far as is known, None where nothing is held of it."""
    beliefs = flow.world.beliefs
    belief = beliefs.get(lane, payment.order_no) if beliefs is not None else None
    return belief.outcome if belief is not None else None


def show(flow: Flow, lane: str, payment: Payment, text: str) -> None:
    """The user is given this text about it, now."""
    if flow.world.beliefs is not None:
        flow.world.beliefs.show(lane, payment.order_no, text, flow.now())


def _belief(flow: Flow, lane: str, payment: Payment) -> Belief:
    """What is held already, or else what is to be held from now on, with no end yet."""
    beliefs, wish = flow.world.beliefs, payment.wish
    before = beliefs.get(lane, payment.order_no) if beliefs is not None else None
    if before is not None:
        return before
    intent = intent_of(flow.world.round, flow.conversation, flow.turn)
    return Belief(payment.order_no, lane, intent, "unknown", wish.amount_minor, wish.currency)
