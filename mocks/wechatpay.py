"""WeChat Pay's behaviour behind its APIv3: native orders, refunds, and the user's own WeChat.

It decides at a request's arrival and answers when the delay is over. It signs with the key that a
request asks for, by its id or by the certificate's serial number; where it is asked for neither,
with the certificate's. A refund is taken in at once and made when its answer ends. With which code
an order is refused that is paid already, and a refund that does not fit, is assumed: WeChat's
documents list the codes and do not say. Not modelled: notices, orders that close by themselves, an
order that is too young to be closed, the least time between refunds and the most of them, users who
pay with coupons or enter a password, and keys that change while they are served.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from itertools import count

import httpx
from msgspec import structs

from harness import draws
from harness.answer import Answer
from harness.providers import wechatpay as wire
from harness.providers.wechatpay import orders, reading
from harness.providers.wechatpay.reading import Refused
from harness.providers.wechatpay.signing import Signer, Stamp, seal
from mocks.capacity import Turned
from mocks.desk import Guest
from mocks.faults.skew import off_s
from mocks.faults.unknown_keys import told_by, under_known_name
from mocks.ledger import Entry, Ledger, State, Terms, declines
from mocks.ledger import Refused as Booked
from mocks.profile import PaymentProfile
from mocks.setting import Setting
from mocks.wechatpay_keys import (
    APIV3_KEY,
    APPID,
    ENDS,
    MCHID,
    MERCHANT_SERIAL,
    STARTS,
    UNPUBLISHED_ID,
    certificate,
    credentials,
    signers,
    stranger,
)
from mocks.wechatpay_lies import lie

NATIVE = "native"
"""The method of all its orders, in the books."""

_STATES: dict[State, orders.TradeState] = {
    "open": "NOTPAY",
    "paid": "SUCCESS",
    "refunded": "REFUND",
    "voided": "CLOSED",
}
_UNPAYABLE: dict[State, str] = {
    "paid": "ORDER_PAID",
    "refunded": "ORDER_PAID",
    "voided": "ORDER_CLOSED",
}
_BEIJING = timezone(timedelta(hours=8))


@dataclass(slots=True)
class Trade:
    """What this wire tells of an order beyond what is in the books. Times are of the day."""

    entry: Entry
    terms: Terms
    asked: orders.NewOrder
    code: str
    paid_s: float = 0.0

    @property
    def transaction_id(self) -> str:
        return f"42000{self.entry.number:023d}"


@dataclass(frozen=True, slots=True)
class Refund:
    """A refund that was taken in; it is made at that time of the clock."""

    trade: Trade
    asked: orders.NewRefund
    number: int
    taken_s: float
    made_at: float


class Wechatpay:
    """A mock is a function of a request; the state behind it is its trades and books. `key` opens
    nothing here: merchants sign with a pair of keys."""

    def __init__(self, setting: Setting, profile: PaymentProfile, *, key: str = "") -> None:
        fee = profile.fee
        self.ledger = Ledger(
            lambda terms: fee.of(terms.amount_minor, setting.exchange(fee.currency, terms.currency))
        )
        self._setting = setting
        self._clock = setting.clock
        self._desk = setting.desk(wire.NAME, profile.limits)
        self._overhead = profile.overhead
        self._merchants = {(MCHID, MERCHANT_SERIAL): credentials().merchant_public_key}
        self._signers: Mapping[str, Signer] = signers()
        self._nonces = count()
        self._trades: dict[str, Trade] = {}
        self._by_code: dict[str, Trade] = {}
        self._by_transaction: dict[str, Trade] = {}
        self._refunds: dict[str, Refund] = {}

    def decide(self, request: httpx.Request) -> Answer:
        guest = self._desk.arrive(request)
        off = off_s(self._setting, wire.NAME, request, guest.key)
        now_s = int(self._clock.unix_s() + off)
        asked = reading.decode_request(request, self._merchants, now_s)
        if isinstance(asked, reading.NoSuchPath):
            return self._desk.refuse(guest, *wire.encode_no_such_path())
        if isinstance(asked, reading.KeysRequest):
            return self._desk.refuse(guest, *wire.encode_keys(credentials().keys))
        if turned := self._desk.turned_away(guest):
            own = _turned(turned), self._signer(asked)
            return self._desk.refuse(guest, *self._encoded(*own, now_s))
        delay_s = draws.microseconds(self._desk.delays.overhead_s(guest.key, self._overhead))
        queue_s = self._desk.capacity.wait_s(guest.arrived, delay_s)
        ends = guest.arrived + queue_s + delay_s
        told = self._encoded(*self._told(guest, asked, ends), now_s)
        return self._desk.answer(guest, delay_s, *told, queue_s=queue_s)

    def _told(
        self, guest: Guest, asked: reading.Asked | Refused, ends: float
    ) -> tuple[wire.Reply, Signer]:
        """What is answered, and who signs it. Of a request that was not fit to be carried out
        nobody has anything else to tell."""
        own = self._signer(asked)
        if isinstance(asked, Refused):
            return asked, own
        true = self._decide(asked.what, ends)

        def another() -> tuple[wire.Reply, Signer]:
            known = under_known_name(self._setting, guest.key)
            return lie(asked.what, true), stranger(own.serial if known else UNPUBLISHED_ID)

        return told_by(self._setting, wire.NAME, guest.key, (true, own), another)

    def _signer(self, asked: reading.Asked | Refused) -> Signer:
        return self._signers.get(asked.answer_by) or self._signers[certificate().serial]

    def _encoded(
        self, reply: wire.Reply, signer: Signer, now_s: int
    ) -> tuple[int, dict[str, str], bytes]:
        status, headers, body = wire.encode_reply(reply, signer, Stamp(now_s, self._nonce()))
        return status, {name.lower(): value for name, value in headers.items()}, body

    def _nonce(self) -> str:
        return f"{next(self._nonces):032X}"

    def _decide(self, what: reading.What, ends: float) -> wire.Reply:
        match what:
            case orders.NewOrder():
                return self._order(what)
            case reading.Query():
                trade = self._find(what.out_trade_no, what.transaction_id)
                return _stand(trade) if trade else Refused("ORDER_NOT_EXIST", "no such order")
            case reading.CloseOrder():
                return self._close(what.out_trade_no)
            case reading.Scan():
                return self._pay(what)
            case orders.NewRefund():
                return self._refund(what, ends)
            case reading.QueryRefund():
                refund = self._refunds.get(what.out_refund_no)
                if refund is None:
                    return Refused("RESOURCE_NOT_EXISTS", "no such refund")
                return self._stands(refund)
            case reading.AskCertificates():
                return self._certificates()

    # Orders

    def _order(self, asked: orders.NewOrder) -> wire.Reply:
        """The same order again gets the same code."""
        if asked.appid != APPID:
            return Refused("APPID_MCHID_NOT_MATCH", "the appid is not this merchant's")
        if asked.amount.currency != "CNY":
            return Refused("PARAM_ERROR", "the currency must be CNY")
        known = self._trades.get(asked.out_trade_no)
        if known is None:
            known = self._open(asked)
        elif code := _UNPAYABLE.get(known.entry.state):
            return Refused(code, "the order is paid or closed")
        elif known.asked != asked:
            return Refused("INVALID_REQUEST", "the order was made with other parameters")
        return orders.Ordered(known.code)

    def _open(self, asked: orders.NewOrder) -> Trade:
        total, currency = asked.amount.total, asked.amount.currency
        terms = Terms(asked.out_trade_no, "", NATIVE, total, currency, asked.mchid)
        entry = self.ledger.open(terms)
        assert isinstance(entry, Entry), "the number is new, and the wire lets no bad amount in"
        code = f"{orders.CODE_PREFIX}{entry.number:09d}"
        trade = Trade(entry, terms, asked, code)
        self._trades[asked.out_trade_no] = self._by_code[code] = trade
        self._by_transaction[trade.transaction_id] = trade
        return trade

    def _close(self, out_trade_no: str) -> wire.Reply:
        trade = self._trades.get(out_trade_no)
        if trade is None:
            return Refused("ORDER_NOT_EXIST", "no such order")
        if trade.entry.state in ("paid", "refunded"):
            return Refused("ORDER_PAID", "the order is paid: refund it")
        self.ledger.void(out_trade_no)
        return "closed"

    def _pay(self, what: reading.Scan) -> wire.Reply:
        """In the user's WeChat; who has no money may try again with more."""
        trade = self._by_code.get(what.code)
        if trade is None:
            return Refused("ORDER_NOT_EXIST", "no order has this code")
        if code := _UNPAYABLE.get(trade.entry.state):
            return Refused(code, "the order is paid or closed")
        if declines(structs.replace(trade.terms, user=what.openid)):
            return Refused("NOT_ENOUGH", "the user has no money")
        self.ledger.capture(trade.terms)
        trade.paid_s = self._clock.unix_s()
        return _stand(trade)

    def _find(self, out_trade_no: str, transaction_id: str) -> Trade | None:
        """WeChat's own number wins, where both are named."""
        if transaction_id:
            trade = self._by_transaction.get(transaction_id)
            return trade if trade and trade.paid_s else None
        return self._trades.get(out_trade_no)

    # Refunds

    def _refund(self, asked: orders.NewRefund, ends: float) -> wire.Reply:
        trade = self._find(asked.out_trade_no, asked.transaction_id)
        if trade is None:
            return Refused("RESOURCE_NOT_EXISTS", "no such order")
        known = self._refunds.get(asked.out_refund_no)
        if known is not None and (known.trade is not trade or known.asked.amount != asked.amount):
            return Refused("INVALID_REQUEST", "the refund was asked for with other parameters")
        amount, terms = asked.amount, trade.terms
        if (amount.total, amount.currency) != (terms.amount_minor, terms.currency):
            return Refused("INVALID_REQUEST", "the order is of another amount")
        told = self.ledger.refund(trade.entry.order_no, asked.out_refund_no, amount.refund)
        if isinstance(told, Booked):
            return Refused("INVALID_REQUEST", told.why)
        if known is None:
            taken_s = self._clock.unix_s()
            known = Refund(trade, asked, len(self._refunds), taken_s, made_at=ends)
            self._refunds[asked.out_refund_no] = known
        return self._stands(known)

    def _stands(self, refund: Refund) -> orders.Refunded:
        made = self._clock.now() >= refund.made_at
        asked, trade = refund.asked, refund.trade
        amount = orders.RefundedAmount(
            total=asked.amount.total,
            refund=asked.amount.refund,
            payer_total=asked.amount.total,
            payer_refund=asked.amount.refund,
            currency=asked.amount.currency,
        )
        return orders.Refunded(
            refund_id=f"50000{refund.number:024d}",
            out_refund_no=asked.out_refund_no,
            out_trade_no=trade.entry.order_no,
            transaction_id=trade.transaction_id,
            status="SUCCESS" if made else "PROCESSING",
            channel="ORIGINAL",
            create_time=_rfc3339(refund.taken_s),
            success_time=_rfc3339(refund.taken_s) if made else "",
            amount=amount,
        )

    def _certificates(self) -> wire.CertificateList:
        own = certificate()
        sealed = seal(APIV3_KEY, own.pem.encode(), self._nonce()[-12:], "certificate")
        starts, ends = (day.isoformat() for day in (STARTS, ENDS))
        return wire.CertificateList([wire.Certificate(own.serial, starts, ends, sealed)])


def _stand(of: Trade) -> orders.Order:
    """Of an order that was never paid there is less to tell."""
    state = _STATES[of.entry.state]
    total, currency = of.terms.amount_minor, of.terms.currency
    told = orders.Order(
        mchid=of.asked.mchid,
        appid=of.asked.appid,
        out_trade_no=of.entry.order_no,
        trade_state=state,
        trade_state_desc=state.lower(),
        attach=of.asked.attach,
        amount=orders.OrderAmount(total=total, payer_currency=currency),
    )
    if not of.paid_s:
        return told
    return structs.replace(
        told,
        transaction_id=of.transaction_id,
        trade_type="NATIVE",
        bank_type="OTHERS",
        success_time=_rfc3339(of.paid_s),
        amount=orders.OrderAmount(total, total, currency, currency),
    )


def _turned(turned: Turned) -> Refused:
    if turned.why == "rate_limited":
        return Refused("FREQUENCY_LIMITED", "too many requests")
    return Refused("SYSTEM_ERROR", "try again later")


def _rfc3339(time_s: float) -> str:
    return datetime.fromtimestamp(int(time_s), UTC).astimezone(_BEIJING).isoformat()
