"""The traditional payment API's behaviour: a static key and a ledger, and nothing before a payment.

It decides at a request's arrival and answers when the delay is over. Not modelled: webhooks, shared
bills (their legs are payments of their own), whose payment it is (whoever has the key may ask for
every one), and an expiry of order numbers.
"""

from typing import assert_never

import httpx

from harness import draws
from harness.answer import Answer
from harness.providers import flat as wire
from harness.providers.problem import Objection
from harness.providers.rest import NO_CURRENCY
from mocks.ledger import Entry, Ledger, No, Refused, Terms
from mocks.profile import PaymentProfile
from mocks.setting import Setting

_KINDS: dict[No, str] = {
    "declined": "declined",
    "other_terms": "number-reused",
    "closed": "order-closed",
    "not_found": "order-not-found",
    "exceeds": "exceeds-payment",
    "malformed": "invalid-fields",
}


class Flat:
    """A mock is a function of a request; the state behind it is its books."""

    def __init__(self, setting: Setting, profile: PaymentProfile, *, key: str) -> None:
        fee = profile.fee
        self.ledger = Ledger(
            lambda terms: fee.of(terms.amount_minor, setting.exchange(fee.currency, terms.currency))
        )
        self._desk = setting.desk(wire.NAME, profile.limits)
        self._overhead = profile.overhead
        self._key = key
        setting.trail.opens(wire.NAME, key)

    def decide(self, request: httpx.Request) -> Answer:
        guest = self._desk.arrive(request)
        asked = wire.decode_request(request)
        if isinstance(asked, wire.Describe):
            return self._desk.refuse(guest, *wire.encode_description(asked))
        if turned := self._desk.turned_away(guest):
            late = wire.PROBLEMS.turned_away(turned.why, turned.retry_after_s)
            return self._desk.refuse(guest, *wire.encode_reply(asked, late))
        known = wire.key_of(request) == self._key
        reply = self._decide(asked) if known else wire.unauthorized()
        delay_s = draws.microseconds(self._desk.delays.overhead_s(guest.key, self._overhead))
        return self._desk.answer(guest, delay_s, *wire.encode_reply(asked, reply))

    def _decide(self, asked: wire.Asked | Objection) -> wire.Payment | Objection:
        if isinstance(asked, Objection):
            return asked
        entry = self._book(asked)
        if isinstance(entry, Refused):
            return wire.PROBLEMS.objection(_KINDS[entry.no], entry.why)
        return _payment(entry)

    def _book(self, asked: wire.Asked) -> Entry | Refused:
        match asked:
            case wire.NewPayment():
                return self.ledger.capture(_terms(asked))
            case wire.Query():
                return self.ledger.find(asked.order_no)
            case wire.Void():
                return self.ledger.void(asked.order_no)
            case wire.RefundOf():
                part = asked.refund
                return self.ledger.refund(asked.order_no, part.refund_no, part.amount_minor)
            case _:
                assert_never(asked)


def _terms(asked: wire.NewPayment) -> Terms:
    return Terms(
        asked.order_no,
        asked.payer,
        asked.method,
        asked.amount_minor,
        asked.currency,
        asked.payee,
    )


def _payment(entry: Entry) -> wire.Payment:
    return wire.Payment(
        entry.order_no,
        _STATES[entry.state],
        entry.terms.amount_minor if entry.terms else 0,
        entry.terms.currency if entry.terms else NO_CURRENCY,
        entry.fee_minor,
        entry.refunded_minor,
    )


_STATES: dict[str, wire.State] = {
    "paid": "paid",
    "declined": "declined",
    "voided": "voided",
    "refunded": "refunded",
}
