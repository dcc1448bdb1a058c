"""What a request asks for and what an answer says, in the words that all providers share here."""

from typing import Literal

import msgspec

Kind = Literal["create", "close", "change", "read", "ask"]
"""Make an order; give it up; move money back or on; only look; ask a model."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request that may be sent. An order's amount is that of the order, a refund's its own."""

    kind: Kind
    order_no: str = ""
    id: str = ""
    """The provider's own name for it, where the request goes by that."""
    amount_minor: int = 0
    currency: str = ""
    key: str = ""
    """The idempotency key."""
    txn_time: str = ""
    """When the app says that it made the order, where the order is only found by that too."""
    ends_at: str = ""
    """When an order that nobody pays ends by itself, as the wire writes it."""
    model: str = ""
    most_in: int = 0
    most_out: int = 0
    """Tokens that a model may be paid for, by what is sent."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be kept of an answer."""

    id: str = ""
    order_no: str = ""
    """The order's, where the request did not tell it."""
    made: bool = False
    """The order is there."""
    closed: str = ""
    """How it ended, where nothing of it is open now: "closed", "refunded", "not there"."""
    back_minor: int = 0
    """How much of it a refund gives back; the order is over where that is all."""
    unmade: bool = False
    """It was refused in a way that makes nothing."""


NOTHING = Told()
