"""How an agent pays, whichever provider it is: sessions, settlements, and the protocol of both."""

import math
from typing import Literal, Protocol, runtime_checkable

import msgspec

from harness.flow.flow import Flow
from harness.flow.wish import Wish
from harness.record import Outcome


class Session(msgspec.Struct, frozen=True, gc=False):
    """A session token for one user and method. The tokens are never printed."""

    token: str
    method: str
    expires_at: float
    refresh_token: str = ""

    def __repr__(self) -> str:
        return f"Session({self.method}, until {self.expires_at:.3f})"


def sessionless(method: str) -> Session:
    """What stands for a session where the provider has none: it costs no call and never ends."""
    return Session("", method, math.inf)


class Payment(msgspec.Struct, frozen=True, gc=False):
    """One business intent. Its order number never changes, however often it is tried. As a leg of
    a shared bill it names the bill and what all legs add up to."""

    order_no: str
    user: str
    wish: Wish
    bill: str = ""
    bill_minor: int = 0


class Refund(msgspec.Struct, frozen=True, gc=False):
    """Giving back a part of a payment, or all of it, under a number that never changes."""

    refund_no: str
    amount_minor: int


class Settlement(msgspec.Struct, frozen=True, gc=False):
    """How a payment stands, and what the merchant pays for it."""

    outcome: Outcome
    fee_minor: int = 0


Stale = Literal["stale"]
"""The provider does not honour the session any more: open another and try again."""


class Payer(Protocol):
    """One payment provider, seen from the agent. Every method may raise ProviderFault."""

    @property
    def good_end(self) -> Outcome:
        """How a payment ends that goes well: "paid", or "ordered" where nobody is there to pay."""

    @property
    def has_sessions(self) -> bool:
        """Without sessions there is nothing to warm or to keep, and `open_session` calls nobody."""

    async def start(self, flow: Flow) -> None:
        """What the app does once, before its first user comes. What a provider that is down for the
        moment cannot give then is asked for again by whoever needs it."""

    async def open_session(self, flow: Flow, user: str, method: str) -> Session: ...

    async def refresh_session(self, flow: Flow, user: str, session: Session) -> Session:
        """A new session in place of one that has expired, opened afresh where the provider has
        no cheaper way."""

    async def authorize(
        self, flow: Flow, session: Session, payment: Payment
    ) -> Settlement | Stale: ...

    async def query(self, flow: Flow, session: Session, payment: Payment) -> Settlement | None:
        """None when the provider knows no such payment, or cannot say."""

    async def void(self, flow: Flow, session: Session, payment: Payment) -> bool:
        """True when no money moved or all of it is back, for good."""

    async def refund(
        self, flow: Flow, session: Session, payment: Payment, refund: Refund
    ) -> Settlement | Stale:
        """Outcome "refunded" when the money is on its way back, "declined" when the rules
        forbid it."""


@runtime_checkable
class Connects(Protocol):
    """A payer that may say so too: a connection to its provider can be opened ahead of a payment.
    Who has sessions needs none: opening one ahead opens the connection as well."""

    async def connect(self, flow: Flow) -> None:
        """As `flow.connect` to where the provider is."""
