"""Paying by WeChat Pay AI: which calls, in which order, with which key; it knows no wire format."""

from harness.flow.flow import Flow
from harness.flow.payers import Payment, Session, Settlement, Stale
from harness.providers import wechat_ai as wire
from harness.providers.call import Call, Endpoint, Malformed
from harness.record import Outcome

_OUTCOMES: dict[wire.State, Outcome] = {
    "paid": "paid",
    "declined": "declined",
    "voided": "reversed",
    "refunded": "refunded",
}
_STALE = ("TOKEN_EXPIRED", "TOKEN_UNKNOWN")


class WechatAi:
    """One app's client. All its users share the sealing key, which it fetches at the start and
    again when it expires or the provider says that it is retired."""

    def __init__(self, at: Endpoint) -> None:
        self._at = at
        self._key: wire.SealingKey | None = None
        self._key_expires_at = 0.0

    async def start(self, flow: Flow) -> None:
        await self._fetch_key(flow)

    async def open_session(self, flow: Flow, user: str, method: str) -> Session:
        opened = await flow.call("session", wire.open_session(self._at, user, method))
        if isinstance(opened, wire.Refusal):
            raise Malformed(f"no session: {opened.code}")
        return Session(opened.session_token, method, flow.now() + opened.expires_in_s)

    async def authorize(self, flow: Flow, session: Session, payment: Payment) -> Settlement | Stale:
        told = await self._transact(flow, "pay", "pay.authorize", session, payment)
        if isinstance(told, wire.Receipt):
            return _settlement(told)
        if told.code == "DECLINED":
            return Settlement("declined")
        if told.code in _STALE:
            return "stale"
        raise Malformed(f"authorize refused: {told.code}")

    async def query(self, flow: Flow, session: Session, payment: Payment) -> Settlement | None:
        told = await self._transact(flow, "query", "pay.query", session, payment)
        return _settlement(told) if isinstance(told, wire.Receipt) else None

    async def void(self, flow: Flow, session: Session, payment: Payment) -> bool:
        told = await self._transact(flow, "reverse", "pay.void", session, payment)
        return isinstance(told, wire.Receipt) and told.state == "voided"

    async def _transact(
        self, flow: Flow, stage: str, operation: wire.Operation, session: Session, payment: Payment
    ) -> wire.Receipt | wire.Refusal:
        """One transaction; a retired key is fetched anew and the transaction sealed again, once."""
        told = await flow.call(stage, await self._sealed(flow, operation, session, payment))
        if isinstance(told, wire.Refusal) and told.code == "KEY_RETIRED":
            self._key = None
            told = await flow.call(stage, await self._sealed(flow, operation, session, payment))
        return told

    async def _sealed(
        self, flow: Flow, operation: wire.Operation, session: Session, payment: Payment
    ) -> Call[wire.Receipt | wire.Refusal]:
        if self._key is None or flow.now() >= self._key_expires_at:
            await self._fetch_key(flow)
        assert self._key is not None
        wish = payment.wish
        order = wire.Order(
            payment.order_no,
            payment.user,
            wish.method,
            wish.amount_minor,
            wish.currency,
            wish.payee,
        )
        with flow.step("encrypt"):
            return wire.transact(self._at, operation, session.token, self._key, order)

    async def _fetch_key(self, flow: Flow) -> None:
        key = await flow.call("key", wire.fetch_key(self._at))
        self._key, self._key_expires_at = key, flow.now() + key.expires_in_s


def _settlement(receipt: wire.Receipt) -> Settlement:
    return Settlement(_OUTCOMES[receipt.state], receipt.fee_minor)
