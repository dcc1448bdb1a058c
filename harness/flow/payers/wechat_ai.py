"""Paying by WeChat Pay AI: which calls, in which order, with which key; it knows no wire format."""

import asyncio

from harness.flow.flow import Flow
from harness.flow.payers import Payment, Refund, Session, Settlement, Stale
from harness.flow.retry import again, passing
from harness.providers import wechat_ai as wire
from harness.providers.call import (
    Call,
    Endpoint,
    Malformed,
    ProviderFault,
    RateLimited,
    Unauthorized,
)
from harness.record import Outcome

KEPT_SPENT = 10_000
"""Of the newest refresh tokens that were sent."""

_OUTCOMES: dict[wire.State, Outcome] = {
    "paid": "paid",
    "declined": "declined",
    "voided": "reversed",
    "refunded": "refunded",
}
_STALE = ("TOKEN_EXPIRED", "TOKEN_UNKNOWN")
_FORBIDDEN = ("ORDER_NOT_FOUND", "ORDER_CLOSED", "REFUND_EXCEEDS_PAID", "DUPLICATE_ORDER")
"""What the rules say of a refund that they do not allow."""


class WechatAi:
    """One app's client. All its users share the sealing key, which it fetches at the start and
    again when it expires or the provider says that it is retired."""

    good_end: Outcome = "paid"
    has_sessions = True

    def __init__(self, at: Endpoint) -> None:
        self._at = at
        self._key: wire.SealingKey | None = None
        self._key_expires_at = 0.0
        self._fetching: asyncio.Task[wire.SealingKey] | None = None
        self._spent: dict[str, None] = {}

    async def start(self, flow: Flow) -> None:
        """Where things are to go wrong, a provider that is down for the moment stops no app:
        whoever needs the key asks again. Else it is not where it was said to be."""
        try:
            await again(flow, "key", lambda: self._current_key(flow), passing)
        except ProviderFault as fault:
            if flow.world.faults is None or not passing(fault):
                raise

    async def open_session(self, flow: Flow, user: str, method: str) -> Session:
        opened = await flow.call("session", wire.open_session(self._at, user, method))
        if isinstance(opened, wire.Refusal):
            refused = Unauthorized if opened.code == "APP_UNKNOWN" else Malformed
            raise refused(f"no session: {opened.code}")
        return _session(flow, method, opened)

    async def refresh_session(self, flow: Flow, user: str, session: Session) -> Session:
        """A refresh token that is not honoured any more costs its call, and a session is opened
        afresh. One is never sent twice: should its answer be lost, nobody knows whether it was
        taken."""
        if session.refresh_token in self._spent:
            return await self.open_session(flow, user, session.method)
        self._spend(session.refresh_token)
        try:
            opened = await flow.call("refresh", wire.refresh(self._at, session.refresh_token))
        except RateLimited:
            self._spent.pop(session.refresh_token, None)  # It was turned away, and not taken.
            raise
        if isinstance(opened, wire.Refusal):
            if opened.code not in _STALE:
                raise Malformed(f"no refresh: {opened.code}")
            return await self.open_session(flow, user, session.method)
        return _session(flow, session.method, opened)

    async def authorize(self, flow: Flow, session: Session, payment: Payment) -> Settlement | Stale:
        told = await self._transact(flow, "pay", "pay.authorize", session, payment)
        if isinstance(told, wire.Receipt):
            return _settlement(told)
        if told.code in ("DECLINED", "BILL_EXCEEDED"):
            return Settlement("declined")
        if told.code in _STALE:
            return "stale"
        if told.code == "KEY_RETIRED" and flow.cancelled:
            return Settlement("reversed")
        raise Malformed(f"authorize refused: {told.code}")

    async def query(self, flow: Flow, session: Session, payment: Payment) -> Settlement | None:
        told = await self._ask(flow, "query", "pay.query", session, payment)
        return _settlement(told) if isinstance(told, wire.Receipt) else None

    async def void(self, flow: Flow, session: Session, payment: Payment) -> bool:
        told = await self._ask(flow, "reverse", "pay.void", session, payment)
        return isinstance(told, wire.Receipt) and told.state == "voided"

    async def refund(
        self, flow: Flow, session: Session, payment: Payment, refund: Refund
    ) -> Settlement | Stale:
        told = await self._transact(flow, "refund", "pay.refund", session, payment, refund)
        if isinstance(told, wire.Receipt):
            return _settlement(told)
        if told.code in _FORBIDDEN:
            return Settlement("declined")
        if told.code in _STALE:
            return "stale"
        raise Malformed(f"refund refused: {told.code}")

    async def _ask(
        self,
        flow: Flow,
        stage: str,
        operation: wire.Operation,
        session: Session,
        payment: Payment,
    ) -> wire.Receipt | wire.Refusal:
        """One that says nothing of a session that is not honoured: it is done in another, once."""
        told = await self._transact(flow, stage, operation, session, payment)
        if isinstance(told, wire.Refusal) and told.code in _STALE:
            session = await self.open_session(flow, payment.user, session.method)
            told = await self._transact(flow, stage, operation, session, payment)
        return told

    async def _transact(
        self,
        flow: Flow,
        stage: str,
        operation: wire.Operation,
        session: Session,
        payment: Payment,
        refund: Refund | None = None,
    ) -> wire.Receipt | wire.Refusal:
        """One transaction; a retired key is fetched anew and the transaction sealed again, once."""
        order = _order(payment) if refund is None else _refund(payment, refund)
        key = await self._current_key(flow)
        told = await flow.call(stage, self._sealed(flow, operation, session, key, order))
        if isinstance(told, wire.Refusal) and told.code == "KEY_RETIRED":
            if self._key is key:
                self._key = None
            key = await self._current_key(flow)
            if operation == "pay.authorize" and flow.cancelled:
                return told  # Nothing was done, and nobody wants it done any more.
            told = await flow.call(stage, self._sealed(flow, operation, session, key, order))
        return told

    def _sealed(
        self,
        flow: Flow,
        operation: wire.Operation,
        session: Session,
        key: wire.SealingKey,
        order: wire.Order,
    ) -> Call[wire.Receipt | wire.Refusal]:
        with flow.step("encrypt"):
            return wire.transact(self._at, operation, session.token, key, order)

    async def _current_key(self, flow: Flow) -> wire.SealingKey:
        """The key to seal with. Whoever needs it while it is being fetched waits for that one."""
        if self._key is not None and flow.now() < self._key_expires_at:
            return self._key
        fetching = self._fetching
        if fetching is None or fetching.done():
            fetching = self._fetching = flow.fork(self._fetch_key(flow))
        try:
            # Whoever is cancelled takes the key from nobody else.
            return await asyncio.shield(fetching)
        except asyncio.CancelledError:
            if not fetching.cancelled() or _is_cancelled():
                raise
        # The turn that fetched it was cut off: that is no end of this one.
        return await self._current_key(flow)

    async def _fetch_key(self, flow: Flow) -> wire.SealingKey:
        key = await flow.call("key", wire.fetch_key(self._at))
        self._key, self._key_expires_at = key, flow.now() + key.expires_in_s
        return key

    def _spend(self, refresh_token: str) -> None:
        self._spent[refresh_token] = None
        if len(self._spent) > KEPT_SPENT:
            del self._spent[next(iter(self._spent))]


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _session(flow: Flow, method: str, opened: wire.Session) -> Session:
    expires_at = flow.now() + opened.expires_in_s
    return Session(opened.session_token, method, expires_at, opened.refresh_token)


def _order(payment: Payment) -> wire.Order:
    wish = payment.wish
    return wire.Order(
        payment.order_no,
        payment.user,
        wish.method,
        wish.amount_minor,
        wish.currency,
        wish.payee,
        bill_no=payment.bill,
        bill_total=payment.bill_minor,
    )


def _refund(payment: Payment, refund: Refund) -> wire.Order:
    wish = payment.wish
    return wire.Order(
        payment.order_no,
        payment.user,
        wish.method,
        refund.amount_minor,
        wish.currency,
        refund_no=refund.refund_no,
    )


def _settlement(receipt: wire.Receipt) -> Settlement:
    return Settlement(_OUTCOMES[receipt.state], receipt.fee_minor)
