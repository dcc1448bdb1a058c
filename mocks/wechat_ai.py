"""WeChat Pay AI's behaviour, as claimed: sessions, rotating keys, sealed transactions, a ledger.

It decides at a request's arrival and answers when the delay is over. Not modelled: risk checks,
rate limits, webhooks, a password or face check by the user, and the network in between.
"""

from dataclasses import dataclass, replace

import httpx

from harness import draws
from harness.clock import Clock
from harness.providers import wechat_ai as wire
from harness.providers.told import TOLD_HEADER, DrawKey, Told, encode_told
from mocks.keys import KeyRing
from mocks.latency import Delays, hold
from mocks.ledger import Ledger
from mocks.profile import PaymentProfile

TOKEN_PREFIX = "wxs_"

Reply = wire.Session | wire.PublicKey | wire.Receipt | wire.Refusal


@dataclass(frozen=True, slots=True)
class _Issued:
    openid: str
    method: str
    expires_at: float


class WechatAi:
    """A mock is a function of a request; the state behind it is its sessions, keys and books."""

    def __init__(
        self,
        clock: Clock,
        seed: int,
        profile: PaymentProfile,
        *,
        app_secret: str,
        lifetime_scale: float = 1.0,
    ) -> None:
        self.ledger = Ledger(profile.fee.of)
        self._clock = clock
        self._delays = Delays(seed, wire.NAME)
        self._profile = profile
        self._keys = KeyRing(clock, profile.key)
        self._sessions: dict[str, _Issued] = {}
        self._app_secret = app_secret
        self._lifetime_s = profile.session.lifetime_s * lifetime_scale

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        arrived = self._clock.now()
        asked = wire.decode_request(request)
        reply = self._decide(asked, arrived)
        delay_s = self._delay_s(asked, self._delays.key(request))
        sequence = asked.sequence if isinstance(asked, wire.Transaction) else ""
        status, body = wire.encode_reply(reply, sequence=sequence)
        await hold(self._clock, arrived, delay_s)
        return httpx.Response(status, headers=_headers(delay_s), content=body)

    def _decide(
        self,
        asked: wire.SessionRequest | wire.KeyRequest | wire.Transaction | wire.Refusal,
        now: float,
    ) -> Reply:
        match asked:
            case wire.Refusal():
                return asked
            case wire.KeyRequest():
                return self._keys.current()
            case wire.SessionRequest():
                return self._open_session(asked, now)
            case wire.Transaction():
                return self._transact(asked, now)

    def _open_session(self, asked: wire.SessionRequest, now: float) -> Reply:
        if asked.app_secret != self._app_secret:
            return wire.Refusal("APP_UNKNOWN", "no app with this secret")
        token = f"{TOKEN_PREFIX}{len(self._sessions):012x}"
        self._sessions[token] = _Issued(asked.openid, asked.method, now + self._lifetime_s)
        return wire.Session(token, asked.openid, asked.method, self._lifetime_s)

    def _transact(self, asked: wire.Transaction, now: float) -> Reply:
        session = self._sessions.get(asked.session_token)
        if session is None:
            return wire.Refusal("TOKEN_UNKNOWN", "no such session token was issued")
        if now >= session.expires_at:
            return wire.Refusal("TOKEN_EXPIRED", "the session token has expired")
        key = self._keys.accepted(asked.key_id)
        if key is None:
            return wire.Refusal("KEY_RETIRED", f"{asked.key_id} is not accepted any more")
        order = wire.open_seal(key, asked.sealed)
        if isinstance(order, wire.Refusal):
            return order
        if (order.openid, order.method) != (session.openid, session.method):
            return wire.Refusal("TOKEN_MISMATCH", "the token is another user's or method's")
        return self._book(asked.operation, order)

    def _book(self, operation: wire.Operation, order: wire.Order) -> Reply:
        match operation:
            case "pay.authorize":
                if order.amount <= 0:
                    return wire.Refusal("MALFORMED_REQUEST", "the amount must be positive")
                return self.ledger.authorize(order)
            case "pay.query":
                return self.ledger.query(order)
            case "pay.void":
                return self.ledger.void(order)
            case "pay.refund":
                return self.ledger.refund(order)

    def _delay_s(self, asked: object, key: DrawKey) -> float:
        """The session takes its share of the overhead, every transaction the rest of it."""
        if isinstance(asked, wire.KeyRequest):
            return self._profile.key.fetch_ms / 1e3
        if isinstance(asked, wire.SessionRequest):
            # A second session of a turn, after a pre-warm for the wrong method, must meet what the
            # only session of the turn meets in another strategy.
            key = replace(key, attempt=1)
        whole_s = self._delays.overhead_s(key, self._profile.overhead)
        session_s = draws.microseconds(whole_s * self._profile.session.share)
        if isinstance(asked, wire.SessionRequest):
            return session_s
        return draws.microseconds(whole_s) - session_s


def _headers(delay_s: float) -> dict[str, str]:
    return {
        "content-type": "application/json",
        TOLD_HEADER: encode_told(Told(round(delay_s * 1e3, 3))),
    }
