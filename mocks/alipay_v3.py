"""Alipay behind its OpenAPI v3: the trades of alipay_ai, asked for on the other wire.

It decides at a request's arrival and answers when the delay is over. What is simplified there is
simplified here, above all that a trade exists from the moment its QR code is made. Not modelled
besides: notices, charging a payment code, and how often a nonce comes.
"""

import httpx

from harness import draws
from harness.answer import Answer
from harness.providers import alipay_ai as v2
from harness.providers import alipay_v3 as wire
from harness.providers.alipay_ai.trade import Refusal, Reply
from mocks.alipay_ai import AlipayAi, Call, credentials
from mocks.alipay_ai.lies import lie
from mocks.alipay_ai.trades import APP_ID
from mocks.desk import Guest
from mocks.faults.skew import off_s
from mocks.faults.unknown_keys import stranger_pem, told_by
from mocks.keys import signing_pair
from mocks.profile import PaymentProfile
from mocks.setting import Setting


class AlipayV3:
    """A mock is a function of a request. `key` opens nothing here: apps sign with a pair of
    keys."""

    def __init__(self, setting: Setting, profile: PaymentProfile, *, key: str = "") -> None:
        self._trades = AlipayAi(setting, profile)
        self.ledger = self._trades.ledger
        self._setting = setting
        self._clock = setting.clock
        self._desk = setting.desk(wire.NAME, profile.limits)
        self._overhead = profile.overhead
        self._key = signing_pair("alipay")[0]
        self._apps = {APP_ID: signing_pair("alipay-app")[1]}

    def decide(self, request: httpx.Request) -> Answer:
        guest = self._desk.arrive(request)
        off = off_s(self._setting, wire.NAME, request, guest.key)
        now_ms = int((self._clock.unix_s() + off) * 1000)
        asked = wire.decode_request(request, self._apps, now_ms)
        if isinstance(asked, wire.NoSuchPath):
            return self._desk.refuse(guest, *wire.encode_no_such_path())
        if isinstance(asked, wire.KeysRequest):
            return self._desk.refuse(guest, *v2.encode_keys(v2.Keys(*credentials())))
        if turned := self._desk.turned_away(guest):
            away = wire.turned_away(turned.why), self._key
            return self._desk.refuse(guest, *self._encoded(*away, guest, now_ms))
        delay_s = draws.microseconds(self._desk.delays.overhead_s(guest.key, self._overhead))
        queue_s = self._desk.capacity.wait_s(guest.arrived, delay_s)
        call = Call(guest.key, guest.arrived, guest.arrived + queue_s + delay_s)
        told = self._encoded(*self._told(asked, call), guest, now_ms)
        return self._desk.answer(guest, delay_s, *told, queue_s=queue_s)

    def _told(
        self, asked: wire.Asked | wire.Submitted | wire.Problem, call: Call
    ) -> tuple[Reply | Refusal | wire.Problem, str]:
        """What is answered, and by whose key."""
        true = self._decide(asked, call)
        if isinstance(true, wire.Problem):  # Of which none is signed.
            return true, self._key
        biz = asked.biz if isinstance(asked, wire.Asked) else None
        stranger = lambda: (lie(biz, true), stranger_pem())  # noqa: E731
        return told_by(self._setting, wire.NAME, call.key, (true, self._key), stranger)

    def _decide(
        self, asked: wire.Asked | wire.Submitted | wire.Problem, call: Call
    ) -> Reply | Refusal | wire.Problem:
        match asked:
            case wire.Problem():
                return asked
            case wire.Submitted():
                return self._trades.carry_out(v2.Submitted(asked.buyer_id, "", asked.qr_code), call)
            case wire.Asked():
                return self._trades.carry_out(v2.Asked("", asked.app_id, asked.biz, ""), call)

    def _encoded(
        self, reply: Reply | Refusal | wire.Problem, private_pem: str, guest: Guest, now_ms: int
    ) -> tuple[int, dict[str, str], bytes]:
        nonce = f"{guest.key.round}.{guest.key.conversation}.{guest.key.turn}.{guest.key.attempt}"
        return wire.encode_reply(reply, private_pem, now_ms, nonce)
