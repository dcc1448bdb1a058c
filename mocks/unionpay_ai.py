"""UnionPay's upcoming gateway, as assumed: access tokens, idempotency keys and a ledger.

It decides at a request's arrival and answers when the delay is over. Not modelled: webhooks,
scopes, revoking a token, shared bills (their legs are payments of their own), a risk or identity
check of the user, and a limit on how many tokens an app may hold.
"""

from typing import assert_never

import httpx

from harness.answer import Answer
from harness.providers import unionpay_ai as wire
from harness.providers.oauth import GRANT, Client, Token, TokenRefusal, bearer_of, encode_token
from harness.providers.problem import Objection
from harness.providers.rest import NO_CURRENCY
from mocks.desk import Guest
from mocks.faults.sessions import end_early
from mocks.idempotency import Clash, Idempotency
from mocks.ledger import Entry, Ledger, No, Refused, Terms
from mocks.profile import PaymentProfile
from mocks.setting import Setting
from mocks.shares import rest_s, session_s

Reply = wire.Payment | Objection

_KEY_LIFETIME_S = 86_400.0

_KINDS: dict[No, wire.RefusalKind] = {
    "other_terms": "number-reused",
    "closed": "order-closed",
    "not_found": "order-not-found",
    "exceeds": "exceeds-payment",
    "malformed": "other-currency",
}


class UnionpayAi:
    """A mock is a function of a request; the state behind it is its tokens, keys and books."""

    def __init__(self, setting: Setting, profile: PaymentProfile, *, key: str) -> None:
        assert profile.session
        fee = profile.fee
        self.ledger = Ledger(
            lambda terms: fee.of(terms.amount_minor, setting.exchange(fee.currency, terms.currency))
        )
        self._setting = setting
        self._desk = setting.desk(wire.NAME, profile.limits)
        self._overhead = profile.overhead
        self._share = profile.session.share
        self._lifetime_s = profile.session.lifetime_s * setting.lifetime_scale
        self._expires_at: dict[str, float] = {}
        self._once: Idempotency[Reply] = Idempotency(_KEY_LIFETIME_S * setting.lifetime_scale)
        self._secret = key
        setting.trail.opens(wire.NAME, key)

    def decide(self, request: httpx.Request) -> Answer:
        guest = self._desk.arrive(request)
        asked = wire.decode_request(request)
        if isinstance(asked, wire.Describe):
            return self._desk.refuse(guest, *wire.encode_description(asked))
        if turned := self._desk.turned_away(guest):
            late = wire.PROBLEMS.turned_away(turned.why, turned.retry_after_s)
            return self._desk.refuse(guest, *wire.encode_reply(asked, late))
        if isinstance(asked, Client | TokenRefusal):
            return self._token(guest, asked)
        return self._serve(guest, asked, bearer_of(request))

    def _token(self, guest: Guest, asked: Client | TokenRefusal) -> Answer:
        reply = self._grant(asked, guest.arrived) if isinstance(asked, Client) else asked
        delay_s = session_s(self._desk.delays, guest.key, self._overhead, self._share)
        return self._desk.answer(guest, delay_s, *encode_token(reply, wire.NAME))

    def _grant(self, asked: Client, now: float) -> Token | TokenRefusal:
        if (asked.client_id, asked.secret) != (wire.CLIENT_ID, self._secret):
            return TokenRefusal("invalid_client", "no client with this id and secret")
        if asked.grant != GRANT:
            return TokenRefusal("unsupported_grant_type", f"only {GRANT} is granted")
        token = self._setting.trail.token(wire.NAME)
        self._expires_at[token] = now + self._lifetime_s
        whole = self._lifetime_s.is_integer()
        return Token(token, "Bearer", int(self._lifetime_s) if whole else self._lifetime_s)

    def _serve(self, guest: Guest, asked: wire.Asked | Objection, token: str) -> Answer:
        delay_s = rest_s(self._desk.delays, guest.key, self._overhead, self._share)
        queue_s = self._desk.capacity.wait_s(guest.arrived, delay_s)
        reply = self._reply(asked, token, guest, guest.arrived + queue_s + delay_s)
        answer = wire.encode_reply(asked, reply)
        return self._desk.answer(guest, delay_s, *answer, queue_s=queue_s)

    def _reply(
        self, asked: wire.Asked | Objection, token: str, guest: Guest, ready_at: float
    ) -> Reply:
        now = guest.arrived
        end_early(self._setting, wire.NAME, guest.key, self._expires_at, token, lambda _: now)
        if now >= self._expires_at.get(token, now):
            return wire.unauthorized(token)
        match asked:
            case Objection():
                return asked
            case wire.Pay():
                return self._keyed(asked.key, "pay", asked, now, ready_at)
            case wire.RefundOf():
                return self._keyed(asked.key, f"refund {asked.order_no}", asked, now, ready_at)
            case _:
                return self._decide(asked)

    def _keyed(
        self, key: str, endpoint: str, asked: wire.Asked, now: float, ready_at: float
    ) -> Reply:
        terms = repr(asked)
        known = self._once.find(key, endpoint, terms, now)
        if isinstance(known, Clash):
            kind = "key-in-use" if known.why == "in_flight" else "key-reused"
            return wire.PROBLEMS.objection(kind, f"it belongs to: {known.endpoint}")
        if known is None:
            known = self._decide(asked)
            self._once.keep(key, endpoint, terms, known, now, ready_at)
        return known

    def _decide(self, asked: wire.Asked) -> Reply:
        entry = self._book(asked)
        if isinstance(entry, Refused):
            return wire.PROBLEMS.objection(_KINDS[entry.no], entry.why)
        return _payment(entry)

    def _book(self, asked: wire.Asked) -> Entry | Refused:
        match asked:
            case wire.Pay():
                entry = self.ledger.capture(_terms(asked.payment))
                if isinstance(entry, Refused) and entry.no == "declined":
                    # Not an error on this wire: the payment is there, and it is declined.
                    return self.ledger.find(asked.payment.order_no)
                return entry
            case wire.Query():
                return self.ledger.find(asked.order_no)
            case wire.Cancel():
                return self.ledger.void(asked.order_no)
            case wire.RefundOf():
                part, amount = asked.refund, asked.refund.amount
                return self.ledger.refund(
                    asked.order_no, part.refund_no, amount.value, amount.currency
                )
            case _:
                assert_never(asked)


def _terms(asked: wire.NewPayment) -> Terms:
    amount = asked.amount
    return Terms(
        asked.order_no, asked.payer, asked.method, amount.value, amount.currency, asked.payee
    )


def _payment(entry: Entry) -> wire.Payment:
    return wire.Payment(
        entry.order_no,
        _STATES[entry.state],
        entry.terms.currency if entry.terms else NO_CURRENCY,
        entry.terms.amount_minor if entry.terms else 0,
        entry.refunded_minor,
        entry.fee_minor,
    )


_STATES: dict[str, wire.State] = {
    "paid": "succeeded",
    "declined": "declined",
    "voided": "canceled",
    "refunded": "refunded",
}
