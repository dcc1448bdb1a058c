"""WeChat Pay AI's behaviour, as claimed: sessions, rotating keys, sealed transactions, a ledger.

It decides at a request's arrival and answers when the delay is over. Not modelled: risk checks,
webhooks, a password or face check by the user, a call that takes a token back, and the network in
between.
"""

from functools import partial

import httpx
import msgspec

from harness.answer import Answer
from harness.providers import wechat_ai as wire
from harness.providers.told import DrawKey
from mocks.desk import Guest
from mocks.faults.keys import rotated
from mocks.faults.sessions import end_early
from mocks.keys import KeyRing
from mocks.ledger import Entry, Ledger, No, Refused, Terms
from mocks.profile import PaymentProfile
from mocks.setting import Setting
from mocks.shares import rest_s, session_s

KEPT_S = 3600.0
"""How long after its end a token is still told apart from one that never was: serving and long runs
must not keep every token for ever."""

Reply = wire.Session | wire.PublicKey | wire.Receipt | wire.Refusal

_CODES: dict[No, wire.RefusalCode] = {
    "declined": "DECLINED",
    "other_terms": "DUPLICATE_ORDER",
    "closed": "ORDER_CLOSED",
    "not_found": "ORDER_NOT_FOUND",
    "exceeds": "REFUND_EXCEEDS_PAID",
    "malformed": "MALFORMED_REQUEST",
}


class _Issued(msgspec.Struct, frozen=True, gc=False):
    """A token: whose, for which method, and until when it is good."""

    openid: str
    method: str
    expires_at: float


class WechatAi:
    """A mock is a function of a request; the state behind it is its tokens, keys and books."""

    def __init__(self, setting: Setting, profile: PaymentProfile, *, key: str) -> None:
        assert profile.session and profile.key
        fee = profile.fee
        self.ledger = Ledger(
            lambda terms: fee.of(terms.amount_minor, setting.exchange(fee.currency, terms.currency))
        )
        self._setting = setting
        self._desk = setting.desk(wire.NAME, profile.limits)
        self._overhead = profile.overhead
        self._share = profile.session.share
        self._fetch_s = profile.key.fetch_ms / 1e3
        self._lifetime_s = profile.session.lifetime_s * setting.lifetime_scale
        self._refresh_s = profile.session.refresh_lifetime_s * setting.lifetime_scale
        self._keys = KeyRing(setting.clock, profile.key)
        self._sessions: dict[str, _Issued] = {}
        self._refreshes: dict[str, _Issued] = {}
        self._trail = setting.trail
        self._trail.opens(wire.NAME, key)
        self._app_secret = key

    def decide(self, request: httpx.Request) -> Answer:
        guest = self._desk.arrive(request)
        asked = wire.decode_request(request)
        if turned := self._desk.turned_away(guest):
            return self._desk.refuse(guest, *wire.encode_turned(turned.why))
        reply = self._decide(asked, guest)
        delay_s = self._delay_s(asked, guest.key)
        sequence = asked.sequence if isinstance(asked, wire.Transaction) else ""
        status, body = wire.encode_reply(reply, sequence=sequence)
        return self._desk.answer(guest, delay_s, status, _HEADERS, body)

    def _decide(self, asked: wire.Asked | wire.Refusal, guest: Guest) -> Reply:
        match asked:
            case wire.Transaction():
                return self._transact(asked, guest)
            case wire.SessionRequest():
                return self._open_session(asked, guest.arrived)
            case wire.RefreshRequest():
                return self._refresh(asked, guest)
            case wire.KeyRequest():
                return self._keys.current()
            case wire.Refusal():
                return asked

    def _open_session(self, asked: wire.SessionRequest, now: float) -> Reply:
        if asked.app_secret != self._app_secret:
            return wire.Refusal("APP_UNKNOWN", "no app with this secret")
        return self._session(asked.openid, asked.method, now)

    def _refresh(self, asked: wire.RefreshRequest, guest: Guest) -> Reply:
        """A refresh token is good once; the session that it came with ends in its own time."""
        token, now = asked.refresh_token, guest.arrived
        refresh = self._refreshes.get(token)
        if refresh is None:
            if self._trail.spent(token):
                self._note("a refresh token came a second time", guest)
            if token in self._sessions:
                self._note("a session token came in place of a refresh token", guest)
            return wire.Refusal("TOKEN_UNKNOWN", "no such refresh token, or it was used")
        if now >= refresh.expires_at:
            return wire.Refusal("TOKEN_EXPIRED", "the refresh token has expired")
        del self._refreshes[token]
        self._trail.spend(token)
        return self._session(refresh.openid, refresh.method, now)

    def _session(self, openid: str, method: str, now: float) -> wire.Session:
        _forget(self._sessions, now)
        _forget(self._refreshes, now)
        token = self._trail.token(wire.NAME)
        refresh_token = self._trail.token(wire.NAME)
        self._sessions[token] = _Issued(openid, method, now + self._lifetime_s)
        self._refreshes[refresh_token] = _Issued(openid, method, now + self._refresh_s)
        return wire.Session(token, openid, method, self._lifetime_s, refresh_token)

    def _transact(self, asked: wire.Transaction, guest: Guest) -> Reply:
        token, now = asked.session_token, guest.arrived
        end_early(self._setting, wire.NAME, guest.key, self._sessions, token, partial(_ended, now))
        session = self._sessions.get(token)
        if session is None:
            if token in self._refreshes:
                self._note("a refresh token came in place of a session token", guest)
            return wire.Refusal("TOKEN_UNKNOWN", "no such session token was issued")
        if now >= session.expires_at:
            return wire.Refusal("TOKEN_EXPIRED", "the session token has expired")
        retired = rotated(self._setting, wire.NAME, guest.key, self._keys, asked.key_id)
        key = None if retired else self._keys.accepted(asked.key_id)
        if key is None:
            return wire.Refusal("KEY_RETIRED", f"{asked.key_id} is not accepted any more")
        order = wire.open_seal(key, asked.sealed)
        if isinstance(order, wire.Refusal):
            return order
        if order.openid != session.openid or order.method != session.method:
            self._note("a token of another user or method came with an order", guest)
            return wire.Refusal("TOKEN_MISMATCH", "the token is another user's or method's")
        entry = self._book(asked.operation, order)
        if isinstance(entry, Refused):
            return _refusal(asked.operation, entry)
        return _receipt(entry)

    def _book(self, operation: wire.Operation, order: wire.Order) -> Entry | Refused:
        match operation:
            case "pay.authorize":
                return self.ledger.capture(_terms(order))
            case "pay.query":
                return self.ledger.find(order.order_no, order.openid)
            case "pay.void":
                return self.ledger.void(order.order_no, order.openid)
            case "pay.refund":
                return self.ledger.refund(
                    order.order_no, order.refund_no, order.amount, order.currency, order.openid
                )

    def _note(self, what: str, guest: Guest) -> None:
        self._trail.note(wire.NAME, what, guest.key)

    def _delay_s(self, asked: object, key: DrawKey) -> float:
        """The session takes its share of the overhead, every transaction the rest of it."""
        if isinstance(asked, wire.KeyRequest):
            return self._fetch_s
        opens = isinstance(asked, _OPENS_SESSION)
        part_s = session_s if opens else rest_s
        return part_s(self._desk.delays, key, self._overhead, self._share)


def _ended(now: float, of: _Issued) -> _Issued:
    return msgspec.structs.replace(of, expires_at=now)


def _forget(issued: dict[str, _Issued], now: float) -> None:
    """All of a kind live equally long, so the oldest stand first."""
    while issued:
        oldest = next(iter(issued))
        if now < issued[oldest].expires_at + KEPT_S:
            return
        del issued[oldest]


def _terms(order: wire.Order) -> Terms:
    return Terms(
        order.order_no,
        order.openid,
        order.method,
        order.amount,
        order.currency,
        order.payee,
        order.bill_no,
        order.bill_total,
    )


def _refusal(operation: wire.Operation, refused: Refused) -> wire.Refusal:
    code = _CODES[refused.no]
    if operation == "pay.authorize" and refused.no == "exceeds":
        code = "BILL_EXCEEDED"
    return wire.Refusal(code, refused.why)


def _receipt(entry: Entry) -> wire.Receipt:
    terms = entry.terms
    return wire.Receipt(
        entry.order_no,
        f"wx{entry.number:010d}",
        _STATES[entry.state],
        terms.amount_minor if terms else 0,
        terms.currency if terms else "CNY",
        entry.fee_minor,
        entry.refunded_minor,
    )


_STATES: dict[str, wire.State] = {
    "paid": "paid",
    "declined": "declined",
    "voided": "voided",
    "refunded": "refunded",
}
_OPENS_SESSION = (wire.SessionRequest, wire.RefreshRequest)
_HEADERS = {"content-type": "application/json"}
