"""Alipay's behaviour behind its OpenAPI v2: trades, refunds, notices, and the user's own client.

It decides at a request's arrival and answers when the delay is over; the delay of a notice counts
from the end of that answer. Simplified: the trade of a QR code exists, and waits for its buyer,
from the moment the code is made, where the real one begins when it is scanned. Not modelled: risk
checks, empty accounts, trades that close by themselves, TRADE_FINISHED, splitting and settling.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx

from harness import draws
from harness.answer import Answer
from harness.faults import Fault
from harness.providers import alipay_ai as wire
from harness.providers.alipay_ai.trade import (
    AppPay,
    Cancel,
    Close,
    Notice,
    Pay,
    Precreate,
    Query,
    Refund,
    RefundQuery,
    Refusal,
    Reply,
    beijing,
    minor,
    refusal,
)
from harness.providers.told import DrawKey
from mocks.alipay_ai import trades as tell
from mocks.alipay_ai.forged import forgeries
from mocks.alipay_ai.lies import lie
from mocks.alipay_ai.trades import APP_ID, SELLER_ID, SETTLED, Trade, terms_of
from mocks.courier import Courier
from mocks.faults.unknown_keys import stranger_pem, told_by
from mocks.figures import Approval, WebhookTerms
from mocks.keys import signing_pair
from mocks.ledger import Ledger, No, Refused, Terms
from mocks.profile import PaymentProfile
from mocks.setting import Setting

BUYER_ID = "2088000000000003"
"""Who pays where the user's client does not say."""

PASSWORD_ABOVE_MINOR = 100_000
"""Above 1,000 CNY a buyer who shows a payment code has to enter a password: code 10003. Assumed."""

_UNPAYABLE: dict[No, str] = {
    "other_terms": "ACQ.CONTEXT_INCONSISTENT",
    "closed": "ACQ.TRADE_HAS_CLOSE",
}
_UNREFUNDABLE: dict[No, str] = {
    "other_terms": "ACQ.DISCORDANT_REPEAT_REQUEST",
    "closed": "ACQ.TRADE_STATUS_ERROR",
    "exceeds": "ACQ.REASON_TRADE_REFUND_FEE_ERR",
}
_UNFIT = "ACQ.INVALID_PARAMETER"


def credentials() -> tuple[str, str, str]:
    """App id, the app's private key and the provider's public key: what a client needs."""
    return APP_ID, signing_pair("alipay-app")[0], signing_pair("alipay")[1]


@dataclass(frozen=True, slots=True)
class Call:
    """The call that is being decided: which, when it came, and when its answer ends."""

    key: DrawKey
    now: float
    ends: float


class AlipayAi:
    """A mock is a function of a request; the state behind it is its trades and books. `key` opens
    nothing here: apps sign with a pair of keys. Where the profile has no notices or no approval,
    nobody is told of a trade, or asked for a password."""

    def __init__(self, setting: Setting, profile: PaymentProfile, *, key: str = "") -> None:
        fee = profile.fee
        self.ledger = Ledger(
            lambda terms: fee.of(terms.amount_minor, setting.exchange(fee.currency, terms.currency))
        )
        self._setting = setting
        self._clock = setting.clock
        self._desk = setting.desk(wire.NAME, profile.limits)
        self._overhead = profile.overhead
        self._approval = profile.approval
        self._human_scale = setting.lifetime_scale
        self._courier = self._courier_of(setting, profile.webhook) if profile.webhook else None
        self._key = signing_pair("alipay")[0]
        self._apps = {APP_ID: signing_pair("alipay-app")[1]}
        self._trades: dict[str, Trade] = {}
        self._by_trade_no: dict[str, Trade] = {}
        self._by_qr_code: dict[str, Trade] = {}

    def decide(self, request: httpx.Request) -> Answer:
        guest = self._desk.arrive(request)
        asked = wire.decode_request(request, self._apps)
        if isinstance(asked, wire.NoSuchPath):
            return self._desk.refuse(guest, *wire.encode_no_such_path())
        if isinstance(asked, wire.KeysRequest):
            return self._desk.refuse(guest, *wire.encode_keys(wire.Keys(*credentials())))
        if turned := self._desk.turned_away(guest):
            answer = wire.encode_turned(asked, turned.why, self._key)
            return self._desk.refuse(guest, *answer)
        delay_s = draws.microseconds(self._desk.delays.overhead_s(guest.key, self._overhead))
        queue_s = self._desk.capacity.wait_s(guest.arrived, delay_s)
        call = Call(guest.key, guest.arrived, guest.arrived + queue_s + delay_s)
        answer = wire.encode_reply(asked, *self._told(asked, call))
        return self._desk.answer(guest, delay_s, *answer, queue_s=queue_s)

    def _told(
        self, asked: wire.Asked | wire.Submitted | wire.Refused, call: Call
    ) -> tuple[Reply | Refusal, str]:
        """What is answered, and by whose key."""
        true = self.carry_out(asked, call)
        if isinstance(asked, wire.Refused):
            return true, self._key
        biz = asked.biz if isinstance(asked, wire.Asked) else None
        stranger = lambda: (lie(biz, true), stranger_pem())  # noqa: E731
        return told_by(self._setting, wire.NAME, call.key, (true, self._key), stranger)

    def carry_out(
        self, asked: wire.Asked | wire.Submitted | wire.Refused, call: Call
    ) -> Reply | Refusal:
        """What it says to that, on whatever wire it was asked."""
        if isinstance(asked, wire.Refused):
            return asked.why
        if isinstance(asked, wire.Submitted):
            return self._pay_in_client(asked, call)
        match asked.biz:
            case AppPay():
                return refusal("isv.invalid-method")
            case Pay():
                return self._pay_by_code(asked.biz, asked.notify_url, call)
            case Precreate():
                return self._precreate(asked.biz, asked.notify_url, call)
            case _:
                return self._of_known(asked.biz, call)

    def _of_known(
        self, biz: Query | Refund | RefundQuery | Close | Cancel, call: Call
    ) -> Reply | Refusal:
        """A trade is looked up by Alipay's own number, where it is named."""
        known = (
            self._by_trade_no.get(biz.trade_no)
            if biz.trade_no
            else self._trades.get(biz.out_trade_no)
        )
        if known is None:
            if isinstance(biz, Cancel):
                return self._cancel_unknown(biz)
            return refusal("ACQ.TRADE_NOT_EXIST", out_trade_no=biz.out_trade_no)
        self._collect(known, call.now)
        match biz:
            case Query():
                return tell.stand(known)
            case Refund():
                return self._refund(known, biz, call)
            case RefundQuery():
                return tell.refund_stands(known, biz.out_request_no)
            case Close():
                return self._close(known)
            case Cancel():
                return self._cancel(known, call)

    # Paying

    def _pay_in_client(self, asked: wire.Submitted, call: Call) -> Reply | Refusal:
        buyer_id = asked.buyer_id or BUYER_ID
        if isinstance(asked.order, str):
            trade = self._by_qr_code.get(asked.order) or refusal("ACQ.TRADE_NOT_EXIST")
        else:
            assert isinstance(asked.order.biz, AppPay)
            terms = terms_of(asked.order.biz, buyer_id, asked.channel)
            trade = self._open(asked.order.biz, terms, asked.order.notify_url, call)
        if isinstance(trade, Refusal):
            return trade
        if trade.entry.state == "open":
            trade.buyer_id = buyer_id
        refused = self._pay(trade, call)
        return refused or tell.accepted(trade, self._beijing(call.now))

    def _pay_by_code(self, biz: Pay, notify_url: str, call: Call) -> Reply | Refusal:
        """A buyer of a large amount enters a password first, which takes a person's time."""
        terms = terms_of(biz, f"2088{biz.auth_code[-12:]:0>12}", "code")
        trade = self._open(biz, terms, notify_url, call)
        if isinstance(trade, Refusal):
            return trade
        self._collect(trade, call.now)
        large = terms.amount_minor > PASSWORD_ABOVE_MINOR
        if self._approval and large and trade.entry.state == "open":
            self._wait_for_password(trade, self._approval, call)
            return tell.waiting(trade)
        return self._pay(trade, call) or tell.paid(trade)

    def _precreate(self, biz: Precreate, notify_url: str, call: Call) -> Reply | Refusal:
        trade = self._open(biz, terms_of(biz, "", ""), notify_url, call)
        if isinstance(trade, Refusal):
            return trade
        if trade.entry.state != "open":
            return refusal(SETTLED[trade.entry.state], out_trade_no=trade.order_no)
        qr_code = f"{wire.QR_PREFIX}bax{trade.entry.number:021d}"
        self._by_qr_code[qr_code] = trade
        return Reply(code="10000", msg="Success", out_trade_no=trade.order_no, qr_code=qr_code)

    def _open(
        self, biz: AppPay | Pay | Precreate, terms: Terms, notify_url: str, call: Call
    ) -> Trade | Refusal:
        """The trade of these terms, which may have been begun before."""
        entry = self.ledger.open(terms)
        if isinstance(entry, Refused):
            return refusal(_UNPAYABLE.get(entry.no, _UNFIT), entry.why, terms.order_no)
        known = self._trades.get(terms.order_no)
        if known is not None:
            return known
        trade = Trade(
            entry,
            terms,
            tell.trade_no(entry, self._beijing(call.now)),
            terms.user,
            biz.seller_id or SELLER_ID,
            biz.subject,
            notify_url,
            isinstance(biz, AppPay),
            self._unix_s(call.now),
        )
        self._trades[terms.order_no] = self._by_trade_no[trade.trade_no] = trade
        return trade

    def _pay(self, trade: Trade, call: Call) -> Refusal | None:
        """None when it was paid now."""
        if trade.entry.state == "open" and self._capture(trade, call.now):
            notice = tell.notice_of_payment(trade)
            self._tell(trade, "paid", call, lambda: notice)
            return None
        return refusal(SETTLED[trade.entry.state], out_trade_no=trade.order_no)

    def _capture(self, trade: Trade, now: float) -> bool:
        """False when it was declined."""
        if isinstance(self.ledger.capture(trade.terms, now), Refused):
            return False
        trade.paid_s = self._unix_s(now)
        return True

    def _wait_for_password(self, trade: Trade, approval: Approval, call: Call) -> None:
        if trade.pays_at is not None:
            return
        takes_s = self._desk.delays.timed_s(call.key, "approve", approval)
        takes_s *= self._human_scale
        trade.pays_at = call.ends + draws.microseconds(takes_s)

        def notice() -> Notice | None:
            self._collect(trade, self._clock.now())
            return tell.notice_of_payment(trade) if trade.paid_s else None

        self._tell(trade, "paid", Call(call.key, call.now, trade.pays_at), notice)

    def _collect(self, trade: Trade, now: float) -> None:
        """The buyer may have entered the password meanwhile."""
        if trade.entry.state == "open" and trade.pays_at is not None and now >= trade.pays_at:
            self._capture(trade, trade.pays_at)

    # What comes after

    def _refund(self, trade: Trade, biz: Refund, call: Call) -> Reply | Refusal:
        """Without a number of its own a refund goes by the order's, and has to be a whole one."""
        amount_minor, entry = minor(biz.refund_amount), trade.entry
        refund_no = biz.out_request_no or entry.order_no
        again = refund_no in entry.refunds
        if not biz.out_request_no and not again and amount_minor != trade.terms.amount_minor:
            return refusal("ACQ.REFUND_AMT_NOT_EQUAL_TOTAL", out_trade_no=entry.order_no)
        told = self.ledger.refund(entry.order_no, refund_no, amount_minor)
        if isinstance(told, Refused):
            return refusal(_UNREFUNDABLE.get(told.no, _UNFIT), told.why, entry.order_no)
        at = self._beijing(call.now)
        if trade.by_app and not again:
            notice = tell.notice_of_refund(trade, refund_no, at)
            self._tell(trade, f"refund {refund_no}", call, lambda: notice)
        return tell.refunded(trade, amount_minor, at, again=again)

    def _close(self, trade: Trade) -> Reply | Refusal:
        if trade.entry.state != "open":
            return refusal("ACQ.TRADE_STATUS_ERROR", out_trade_no=trade.order_no)
        self.ledger.void(trade.order_no)
        return tell.done(trade)

    def _cancel(self, trade: Trade, call: Call) -> Reply | Refusal:
        if trade.entry.refunds:
            return refusal("ACQ.REASON_TRADE_REFUND_FEE_ERR", out_trade_no=trade.order_no)
        was_paid = trade.entry.state == "paid"
        if trade.entry.state in ("open", "paid"):
            self.ledger.void(trade.order_no)
        if was_paid and trade.by_app:
            notice = tell.notice_of_refund(trade, "", self._beijing(call.now))
            self._tell(trade, "cancelled", call, lambda: notice)
        return tell.cancelled(trade)

    def _cancel_unknown(self, biz: Cancel) -> Reply:
        """There is nothing to undo, and the number cannot be paid any more."""
        if not biz.trade_no:
            self.ledger.void(biz.out_trade_no)
        return Reply(code="10000", msg="Success", out_trade_no=biz.out_trade_no, retry_flag="N")

    def _tell(
        self, trade: Trade, what: str, call: Call, notice: Callable[[], Notice | None]
    ) -> None:
        """By a notice, signed anew at each try."""
        if not trade.notify_url or self._courier is None:
            return

        def make() -> httpx.Request | None:
            told = notice()
            if told is None:
                return None
            at = self._beijing(self._clock.now())
            return wire.encode_notice(trade.notify_url, told, at, self._key)

        def forge() -> Sequence[httpx.Request]:
            told = notice()
            at = self._beijing(self._clock.now())
            return forgeries(trade.notify_url, told, at, self._key) if told else ()

        self._courier.send(call.key, what, call.ends, make, order_no=trade.order_no, forge=forge)

    def _courier_of(self, setting: Setting, webhook: WebhookTerms) -> Courier:
        def strikes(fault: Fault, key: DrawKey) -> bool:
            return setting.strikes(fault, wire.NAME, key)

        return Courier(
            setting.clock,
            self._desk.delays,
            webhook,
            setting.deliver,
            wire.is_receipt,
            setting.lifetime_scale,
            strikes if setting.faults else None,
        )

    def _unix_s(self, when: float) -> float:
        """The time of day at that time of the clock."""
        return self._clock.unix_s() - self._clock.now() + when

    def _beijing(self, when: float) -> str:
        return beijing(self._unix_s(when))
