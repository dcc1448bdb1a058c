"""Sending again what is safe to send again: a payer around a payer. It never pays again where it is
not sure that nothing was paid, and decides nothing about what a payment came to."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from harness.flow.flow import Flow
from harness.flow.payers import Payer, Payment, Refund, Session, Settlement, Stale
from harness.flow.payers.around import Around
from harness.flow.retry import again, not_done, passing
from harness.providers.call import ProviderFault

T = TypeVar("T")


class Careful(Around):
    """How often is the world's business; where it has no retries, every call is made once. `lane`
    is what the books of this payer go by: calls to two of them are not sent again in step."""

    def __init__(self, payer: Payer, lane: str = "") -> None:
        super().__init__(payer)
        self._lane = lane

    async def open_session(self, flow: Flow, user: str, method: str) -> Session:
        if not self.has_sessions:
            return await self._payer.open_session(flow, user, method)
        open_ = lambda: self._payer.open_session(flow, user, method)  # noqa: E731
        return await self._again(flow, "session", open_)

    async def refresh_session(self, flow: Flow, user: str, session: Session) -> Session:
        """Whether a refresh without an answer took the refresh token is not known, and one that is
        used up must not be sent again: then a session is opened afresh."""
        refresh = lambda: self._payer.refresh_session(flow, user, session)  # noqa: E731
        try:
            return await self._again(flow, "refresh", refresh, not_done)
        except ProviderFault as fault:
            if flow.world.retries is None or not passing(fault):
                raise
        return await self.open_session(flow, user, session.method)

    async def authorize(self, flow: Flow, session: Session, payment: Payment) -> Settlement | Stale:
        """Sent again only when the first try surely was not carried out, and the user still wants
        it so."""

        def may(fault: ProviderFault) -> bool:
            return not_done(fault) and not flow.cancelled and not flow.switched

        pay = lambda: self._payer.authorize(flow, session, payment)  # noqa: E731
        return await self._again(flow, "pay", pay, may)

    async def query(self, flow: Flow, session: Session, payment: Payment) -> Settlement | None:
        ask = lambda: self._payer.query(flow, session, payment)  # noqa: E731
        return await self._again(flow, "query", ask)

    async def void(self, flow: Flow, session: Session, payment: Payment) -> bool:
        undo = lambda: self._payer.void(flow, session, payment)  # noqa: E731
        return await self._again(flow, "reverse", undo)

    async def refund(
        self, flow: Flow, session: Session, payment: Payment, refund: Refund
    ) -> Settlement | Stale:
        """Under the same number it happens once, however often it is sent."""
        give = lambda: self._payer.refund(flow, session, payment, refund)  # noqa: E731
        return await self._again(flow, "refund", give)

    async def _again(
        self,
        flow: Flow,
        stage: str,
        attempt: Callable[[], Awaitable[T]],
        may: Callable[[ProviderFault], bool] = passing,
    ) -> T:
        return await again(flow, stage, attempt, may, self._lane)
