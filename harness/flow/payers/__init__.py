"""How an agent pays, whichever provider it is: sessions, settlements, and the protocol of both."""

from dataclasses import dataclass
from typing import Literal, Protocol

from harness.flow.flow import Flow
from harness.flow.wish import Wish
from harness.record import Outcome


@dataclass(frozen=True, slots=True)
class Session:
    """A session token for one user and method. The token is never printed."""

    token: str
    method: str
    expires_at: float

    def __repr__(self) -> str:
        return f"Session({self.method}, until {self.expires_at:.3f})"


@dataclass(frozen=True, slots=True)
class Payment:
    """One business intent. Its order number never changes, however often it is tried."""

    order_no: str
    user: str
    wish: Wish


@dataclass(frozen=True, slots=True)
class Settlement:
    """How a payment stands, and what the merchant pays for it."""

    outcome: Outcome
    fee_minor: int = 0


Stale = Literal["stale"]
"""The provider does not honour the session any more: open another and try again."""


class Payer(Protocol):
    """One payment provider, seen from the agent. Every method may raise ProviderFault."""

    async def start(self, flow: Flow) -> None:
        """What the app does once, before its first user comes."""

    async def open_session(self, flow: Flow, user: str, method: str) -> Session: ...

    async def authorize(
        self, flow: Flow, session: Session, payment: Payment
    ) -> Settlement | Stale: ...

    async def query(self, flow: Flow, session: Session, payment: Payment) -> Settlement | None:
        """None when the provider knows no such payment, or cannot say."""

    async def void(self, flow: Flow, session: Session, payment: Payment) -> bool:
        """True when no money moved or all of it is back, for good."""
