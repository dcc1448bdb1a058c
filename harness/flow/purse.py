"""One user's money at every provider of the app: paying, taking back, giving back, asking. It knows
no model, and decides nothing that the user has not wished for.

Its calls go in the sessions of the user's wallets. A payment is sent once; what a fault leaves open
is settled by asking and by taking back.
"""

from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

from msgspec.structs import replace

from harness.flow.flow import Flow
from harness.flow.payers import Payer, Payment, Refund, Session, Settlement, Stale
from harness.flow.recover import resolve, take_back
from harness.flow.strategy import Strategy
from harness.flow.wallet import Wallet
from harness.flow.wish import Wish
from harness.providers.call import Malformed, ProviderFault

TRIES = 2
"""How often a refund is sent before it stays unknown how it ended."""

DEVICES = 3
"""A user's other ones, in a refresh storm."""

OTHER_METHOD = {"balance": "card", "card": "balance"}
"""What a user turns to who does not want the first any more."""


class Purse:
    """For one conversation."""

    def __init__(
        self,
        payers: Sequence[Payer],
        lanes: Sequence[str],
        strategy: Strategy,
        user: str,
        usual_method: str,
    ) -> None:
        """`lanes` are what the books of each payer go by: by default its number."""
        self.payers = payers
        self.lanes = list(lanes) or [str(lane) for lane in range(len(payers))]
        self.wallets = [Wallet(payer, strategy, user, usual_method) for payer in payers]
        self.settling: set[str] = set()
        """Orders that ended unknown and are being settled: what is asked for of one meanwhile would
        cross with that."""

    async def pay(self, flow: Flow, lane: int, payment: Payment) -> Settlement:
        """How the payment ends: "reversed" without a call where the user cancelled before it was
        sent. No session at all is a fault of the turn: nothing was sent yet."""
        if flow.cancelled:
            return Settlement("reversed")
        send = lambda session: self._authorize(flow, lane, session, payment)  # noqa: E731
        try:
            return await _in_session(flow, self.wallets[lane], payment.wish.method, send)
        except ProviderFault:
            if not flow.cancelled:
                raise
        # That nothing could be sent is no fault to a user who does not want it sent any more.
        return Settlement("reversed")

    async def take_back(self, flow: Flow, lane: int, payment: Payment) -> Settlement:
        """As `recover.take_back`."""
        session = lambda: self.wallets[lane].session(flow, payment.wish.method)  # noqa: E731
        return await take_back(flow, self.payers[lane], session, payment)

    async def give_back(
        self, flow: Flow, lane: int, payment: Payment, refund: Refund
    ) -> Settlement:
        """Sent again under the same number, a refund happens once: a fault is met by one retry.
        No session at all is a fault of the turn: nothing was sent yet. "reversed" is that nothing
        was, as the user does not want it any more."""
        wallet, method = self.wallets[lane], payment.wish.method
        send = lambda at: self.payers[lane].refund(flow, at, payment, refund)  # noqa: E731
        if not flow.cancelled:
            try:
                await wallet.session(flow, method)
            except ProviderFault:
                if not flow.cancelled:
                    raise
        if flow.cancelled:
            return Settlement("reversed")
        for _ in range(TRIES):
            with suppress(ProviderFault):
                return await _in_session(flow, wallet, method, send)
        return Settlement("unknown")

    async def stands(self, flow: Flow, lane: int, payment: Payment) -> Settlement | None:
        """As its provider tells, None where it cannot."""
        session = await self.wallets[lane].session(flow, payment.wish.method)
        return await self.payers[lane].query(flow, session, payment)

    # Long after, when the wallet serves other turns: each look is in a session of its own

    async def look_again(
        self, flow: Flow, lane: int, payment: Payment, *, wanted: bool
    ) -> Settlement:
        """How a payment stands of which that is unknown; one that is not `wanted` is taken back."""
        payer = self.payers[lane]
        session = await payer.open_session(flow, payment.user, payment.wish.method)

        async def same() -> Session:
            return session

        if wanted:
            return await resolve(flow, payer, same, session, payment, again=True)
        return await take_back(flow, payer, same, payment)

    async def give_back_again(
        self, flow: Flow, lane: int, payment: Payment, refund: Refund
    ) -> Settlement:
        """What became of a refund of which that is unknown, by its number."""
        payer = self.payers[lane]
        session = await payer.open_session(flow, payment.user, payment.wish.method)
        given = await payer.refund(flow, session, payment, refund)
        return Settlement("unknown") if given == "stale" else given

    # What users do

    def otherwise(self, lane: int, wish: Wish) -> tuple[int, Wish]:
        """The other way to pay: by another method, and the next provider where there are more."""
        method = OTHER_METHOD.get(wish.method, next(iter(OTHER_METHOD)))
        return (lane + 1) % len(self.payers), replace(wish, method=method)

    def storm(self, flow: Flow, lane: int, method: str, last: Payment | None) -> None:
        """The session has just run out, and the user's other devices all ask for it, to see how the
        last payment stands."""
        self.wallets[lane].expire()
        for _ in range(DEVICES):
            flow.fork(self._glance(flow, lane, method, last))

    async def _glance(self, flow: Flow, lane: int, method: str, last: Payment | None) -> None:
        session = await self.wallets[lane].session(flow, method)
        if last is not None:
            await self.payers[lane].query(flow, session, last)

    async def _authorize(
        self, flow: Flow, lane: int, session: Session, payment: Payment
    ) -> Settlement | Stale:
        """A fault after the payment was sent leaves it open whether money moved, so the provider
        is asked, and what it cannot tell is taken back."""
        if flow.cancelled:
            return Settlement("reversed")
        try:
            settled = await self.payers[lane].authorize(flow, session, payment)
        except ProviderFault:
            return await self._resolve(flow, lane, session, payment)
        if settled != "stale" and settled.outcome == "unknown" and flow.world.retries is not None:
            return await self._resolve(flow, lane, session, payment)
        return settled

    async def _resolve(
        self, flow: Flow, lane: int, session: Session, payment: Payment
    ) -> Settlement:
        """The call may have outlived its session; one that is still good is given out again."""
        again = lambda: self.wallets[lane].session(flow, session.method)  # noqa: E731
        return await resolve(flow, self.payers[lane], again, session, payment)


async def _in_session(
    flow: Flow,
    wallet: Wallet,
    method: str,
    send: Callable[[Session], Coroutine[Any, Any, Settlement | Stale]],
) -> Settlement:
    """Send it in the session at hand; one that the provider does not honour is renewed, once."""
    session = await wallet.session(flow, method)
    settled = await send(session)
    if settled == "stale":
        flow.stale_tokens += 1
        wallet.forget(session)
        settled = await send(await wallet.session(flow, method))
    if settled == "stale":
        raise Malformed("a session opened this moment is refused as stale")
    return settled
