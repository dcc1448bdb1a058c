"""The buyer's agent: one payment turn under any strategy, from the wish to the confirmation.

It is the only place that knows what each mitigation reorders. It names no provider and no clock.
"""

import hashlib
from dataclasses import Field, dataclass
from typing import Any, ClassVar, Protocol

from harness.flow import guard
from harness.flow.flow import Chat, Flow
from harness.flow.model import Models
from harness.flow.payers import Payer, Payment, Session, Settlement, Stale
from harness.flow.strategy import Strategy
from harness.flow.wallet import Wallet
from harness.flow.wish import Wish
from harness.providers.call import Malformed, ProviderFault


@dataclass(frozen=True, slots=True)
class Cast:
    """Who plays: one app's models and payment provider, shared by all its users."""

    models: Models
    payer: Payer


class Agent:
    """One user's agent for one conversation."""

    def __init__(self, cast: Cast, strategy: Strategy, user: str, usual_method: str) -> None:
        self._models = cast.models
        self._payer = cast.payer
        self._strategy = strategy
        self._user = user
        self._wallet = Wallet(cast.payer, strategy, user, usual_method)

    async def pay(self, chat: Chat, wish: Wish) -> str:
        """One turn of the chat: pay what the user wishes. Returns what the user is told, "" when
        a provider's fault left nothing to tell."""
        told = ""
        async with chat.turn() as flow:
            flow.method, flow.currency = wish.method, wish.currency
            flow.amount_minor = wish.amount_minor
            try:
                told = await self._pay(flow, wish)
            finally:
                self._wallet.settle(flow)
        return told

    async def _pay(self, flow: Flow, wish: Wish) -> str:
        self._wallet.warm(flow)
        asked = await self._models.read_wish(flow, wish.said())
        payment = Payment(_order_no(flow, self._user), self._user, guard.allow(asked, wish))
        reference = _reference(payment)
        if not self._strategy.parallel_confirm:
            settled = await self._settle(flow, payment)
            told = await self._models.tell(flow, reference, wish, settled.outcome)
        else:
            draft = flow.fork(self._models.tell(flow, reference, wish, "paid"))
            settled = await self._settle(flow, payment)
            if settled.outcome == "paid":
                told = await draft
            else:
                # The draft says "paid" and nobody has seen it: it is left to end, unread.
                flow.corrections += 1
                told = await self._models.tell(flow, reference, wish, settled.outcome)
        flow.outcome = settled.outcome
        return told

    async def _settle(self, flow: Flow, payment: Payment) -> Settlement:
        """How the payment ends. No session at all is a fault of the turn: nothing was sent yet."""
        session = await self._wallet.session(flow, payment.wish.method)
        settled = await self._authorize(flow, session, payment)
        if settled == "stale":
            session = await self._renew(flow, session)
            settled = await self._authorize(flow, session, payment)
        if settled == "stale":
            raise Malformed("a session opened this moment is refused as stale")
        flow.fee_minor = settled.fee_minor  # Owed even if telling the user fails.
        return settled

    async def _authorize(
        self, flow: Flow, session: Session, payment: Payment
    ) -> Settlement | Stale:
        """A fault after the payment was sent leaves it open whether money moved, so the provider
        is asked, and what it cannot tell is taken back."""
        try:
            return await self._payer.authorize(flow, session, payment)
        except ProviderFault:
            return await self._resolve(flow, session, payment)

    async def _renew(self, flow: Flow, session: Session) -> Session:
        flow.stale_tokens += 1
        self._wallet.forget(session)
        return await self._wallet.session(flow, session.method)

    async def _resolve(self, flow: Flow, session: Session, payment: Payment) -> Settlement:
        try:
            # The call may have outlived its session; one that is still good is given out again.
            session = await self._wallet.session(flow, session.method)
            settled = await self._payer.query(flow, session, payment)
            if settled is not None:
                return settled
        except ProviderFault:
            pass  # The query is only the cheaper way; voiding settles it too.
        try:
            voided = await self._payer.void(flow, session, payment)
        except ProviderFault:
            voided = False
        return Settlement("reversed" if voided else "unknown")


class Scenario(Protocol):
    """What a buyer does in one conversation of at most `turns` turns. It is a dataclass: its fields
    are the parameters that a user may set."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def turns(self) -> int: ...

    @property
    def usual_method(self) -> str:
        """The payment method an app would guess before it has heard the user."""

    async def run(self, chat: Chat, agent: Agent) -> None: ...


def _order_no(flow: Flow, user: str) -> str:
    """One number a business intent: the user's own, and the turn's."""
    return f"{user}-{flow.turn}"


def _reference(payment: Payment) -> str:
    """What a model may know the payment by: neither the order number nor anything near it."""
    return "txn_" + hashlib.sha256(payment.order_no.encode()).hexdigest()[:8]
