"""One trade at Alipay, and what is said of it, in an answer or a notice. It decides nothing."""

from dataclasses import dataclass
from hashlib import blake2b

from msgspec.structs import replace

from harness.providers.alipay_ai import trade as wire
from harness.providers.alipay_ai.trade import Notice, Reply, beijing, yuan
from mocks.ledger import BLOCKED_PAYEE, Entry, State, Terms

APP_ID = "2021000000000001"
SELLER_ID = "2088000000000002"
"""Who is paid where an order names nobody."""

SETTLED: dict[State, str] = {
    "paid": wire.PAID_BEFORE,
    "refunded": wire.PAID_BEFORE,
    "voided": "ACQ.TRADE_HAS_CLOSE",
    "declined": "ACQ.SELLER_BEEN_BLOCKED",
}
"""Why a trade that is not open any more cannot be paid."""


@dataclass(slots=True)
class Trade:
    """What this wire tells of an order beyond what is in the books. Times are of the day."""

    entry: Entry
    terms: Terms
    trade_no: str
    buyer_id: str
    seller_id: str
    subject: str
    notify_url: str
    by_app: bool
    """Begun by the app's order in the user's client: then all that becomes of it is told."""
    created_s: float
    paid_s: float = 0.0
    pays_at: float | None = None
    """The time of the clock when the buyer will have entered the password."""

    @property
    def order_no(self) -> str:
        return self.entry.order_no

    @property
    def status(self) -> wire.TradeStatus:
        if self.entry.state == "open":
            return "WAIT_BUYER_PAY"
        whole_is_back = self.entry.refunded_minor == self.terms.amount_minor
        stands = self.entry.state in ("paid", "refunded") and not whole_is_back
        return "TRADE_SUCCESS" if stands else "TRADE_CLOSED"


def terms_of(biz: wire.AppPay | wire.Pay | wire.Precreate, buyer_id: str, channel: str) -> Terms:
    blocked = BLOCKED_PAYEE in (biz.seller_id, biz.subject)
    return Terms(
        biz.out_trade_no,
        buyer_id,
        channel,
        wire.minor(biz.total_amount),
        biz.trans_currency or "CNY",
        BLOCKED_PAYEE if blocked else biz.seller_id or SELLER_ID,
    )


def trade_no(entry: Entry, at: str) -> str:
    """Twenty-eight digits that begin with the day, as the real ones. The order's number is in them,
    so that mocks side by side do not give out the same: notices are told apart by it."""
    digest = blake2b(entry.order_no.encode(), digest_size=8).digest()
    own = int.from_bytes(digest, "little") % 10**8
    return f"{at[:10].replace('-', '')}22001{entry.number % 10**7:07d}{own:08d}"


# Answers


def done(of: Trade) -> Reply:
    return Reply(code="10000", msg="Success", out_trade_no=of.order_no, trade_no=of.trade_no)


def accepted(of: Trade, at: str) -> Reply:
    """What the user's client hands to the app."""
    return replace(
        done(of),
        total_amount=yuan(of.terms.amount_minor),
        app_id=APP_ID,
        seller_id=of.seller_id,
        charset="utf-8",
        timestamp=at,
    )


def paid(of: Trade) -> Reply:
    return replace(_amounts(of), gmt_payment=beijing(of.paid_s))


def waiting(of: Trade) -> Reply:
    return replace(_amounts(of), code="10003", msg="order success pay inprocess")


def stand(of: Trade) -> Reply:
    """How the trade stands."""
    if not of.paid_s:
        return replace(_amounts(of), trade_status=of.status)
    return replace(_amounts(of), trade_status=of.status, send_pay_date=beijing(of.paid_s))


def refunded(of: Trade, amount_minor: int, at: str, *, again: bool) -> Reply:
    return replace(
        done(of),
        buyer_user_id=of.buyer_id,
        fund_change="N" if again else "Y",
        gmt_refund_pay=at,
        refund_fee=yuan(of.entry.refunded_minor),
        send_back_fee=yuan(amount_minor),
        charge_amount=yuan(of.entry.fee_minor),
    )


def refund_stands(of: Trade, refund_no: str) -> Reply:
    """Of a refund that was never made the real one says that the call was fine, and no more."""
    amount_minor = of.entry.refunds.get(refund_no)
    if amount_minor is None:
        return Reply(code="10000", msg="Success")
    return replace(
        done(of),
        out_request_no=refund_no,
        refund_amount=yuan(amount_minor),
        total_amount=yuan(of.terms.amount_minor),
        refund_status="REFUND_SUCCESS",
    )


def cancelled(of: Trade) -> Reply:
    return replace(done(of), retry_flag="N", action="refund" if of.paid_s else "close")


def _amounts(of: Trade) -> Reply:
    told = replace(
        done(of),
        buyer_user_id=of.buyer_id,
        total_amount=yuan(of.terms.amount_minor),
        receipt_amount=yuan(of.terms.amount_minor if of.paid_s else 0),
        trans_currency="" if of.terms.currency == "CNY" else of.terms.currency,
    )
    return replace(told, charge_amount=yuan(of.entry.fee_minor)) if of.paid_s else told


# Notices


def notice_of_payment(of: Trade) -> Notice:
    """Also after a refund it tells of the payment, which is what it was sent for."""
    return Notice(
        notify_id=f"{of.trade_no}000000",
        app_id=APP_ID,
        out_trade_no=of.order_no,
        trade_no=of.trade_no,
        trade_status="TRADE_SUCCESS",
        total_amount=yuan(of.terms.amount_minor),
        receipt_amount=yuan(of.terms.amount_minor),
        seller_id=of.seller_id,
        buyer_id=of.buyer_id,
        subject=of.subject,
        gmt_create=beijing(of.created_s),
        gmt_payment=beijing(of.paid_s),
        charge_amount=yuan(of.entry.fee_minor),
    )


def notice_of_refund(of: Trade, refund_no: str, at: str) -> Notice:
    """Of a cancelled payment too: then all of it is back, under no number."""
    back_minor = of.entry.refunded_minor if refund_no else of.terms.amount_minor
    return replace(
        notice_of_payment(of),
        notify_id=f"{of.trade_no}{len(of.entry.refunds) or 999_999:06d}",
        trade_status=of.status,
        refund_fee=yuan(back_minor),
        gmt_refund=at,
        out_biz_no=refund_no,
    )
