"""The words of Alipay's trade methods: what is asked, what is answered, amounts and times.

It encodes no message: that is alipay_ai.py's. The shapes are from the documents of
opendocs.alipay.com (common/02km9f for the codes, open/02ekfr for cancelling, the trigger rules of
notices) and from answers that users of the SDKs published; every amount is in yuan, as text.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import msgspec

TradeStatus = Literal["", "WAIT_BUYER_PAY", "TRADE_SUCCESS", "TRADE_CLOSED", "TRADE_FINISHED"]
Amount = str | int | float
"""In yuan. JSON numbers are taken too, as the real gateway does."""
Yuan = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,12}\.[0-9]{2}\Z")]

DECLINES = (
    "ACQ.SELLER_BEEN_BLOCKED",
    "ACQ.BUYER_BALANCE_NOT_ENOUGH",
    "ACQ.PAYMENT_FAIL",
)
PAID_BEFORE = "ACQ.TRADE_HAS_SUCCESS"
REFUND_FORBIDDEN = (
    "ACQ.TRADE_NOT_EXIST",
    "ACQ.TRADE_STATUS_ERROR",
    "ACQ.REASON_TRADE_REFUND_FEE_ERR",
    "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL",
    "ACQ.DISCORDANT_REPEAT_REQUEST",
)


# What is asked: the biz_content of each method


class AppPay(msgspec.Struct, frozen=True, omit_defaults=True):
    """The order that an app signs and hands to the user's Alipay client."""

    out_trade_no: str
    total_amount: Amount
    subject: str
    seller_id: str = ""
    trans_currency: str = ""
    product_code: str = ""


class Pay(msgspec.Struct, frozen=True, omit_defaults=True):
    """Charge the buyer whose payment code the merchant has scanned."""

    out_trade_no: str
    total_amount: Amount
    subject: str
    auth_code: str
    scene: str = ""
    seller_id: str = ""
    trans_currency: str = ""


class Precreate(msgspec.Struct, frozen=True, omit_defaults=True):
    """Make a QR code that a buyer scans. `timeout_express` is for how long: "5m", "1h"."""

    out_trade_no: str
    total_amount: Amount
    subject: str
    seller_id: str = ""
    trans_currency: str = ""
    product_code: str = ""
    timeout_express: str = ""


class Query(msgspec.Struct, frozen=True, omit_defaults=True):
    out_trade_no: str = ""
    trade_no: str = ""


class Refund(msgspec.Struct, frozen=True, omit_defaults=True):
    refund_amount: Amount
    out_trade_no: str = ""
    trade_no: str = ""
    out_request_no: str = ""
    refund_reason: str = ""


class RefundQuery(msgspec.Struct, frozen=True, omit_defaults=True):
    out_request_no: str
    out_trade_no: str = ""
    trade_no: str = ""


class Close(msgspec.Struct, frozen=True, omit_defaults=True):
    """Give up a trade that nobody has paid."""

    out_trade_no: str = ""
    trade_no: str = ""


class Cancel(msgspec.Struct, frozen=True, omit_defaults=True):
    """Undo a trade of which the outcome is not known: it is closed, or the money goes back."""

    out_trade_no: str = ""
    trade_no: str = ""


Biz = AppPay | Pay | Precreate | Query | Refund | RefundQuery | Close | Cancel

METHODS: dict[str, type[Biz]] = {
    "alipay.trade.app.pay": AppPay,
    "alipay.trade.pay": Pay,
    "alipay.trade.precreate": Precreate,
    "alipay.trade.query": Query,
    "alipay.trade.refund": Refund,
    "alipay.trade.fastpay.refund.query": RefundQuery,
    "alipay.trade.close": Close,
    "alipay.trade.cancel": Cancel,
}
APP_PAY = "alipay.trade.app.pay"


# What is answered


class Reply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a method that was carried out answers; each fills in a part of it.

    `charge_amount`, what the merchant pays, is a field of the real query and pay answers, where
    Alipay has agreed to send it; that a refund's answer and a notice have it too is ours.
    """

    code: Literal["10000", "10003"]
    msg: str
    out_trade_no: str = ""
    trade_no: str = ""
    trade_status: TradeStatus = ""
    total_amount: str = ""
    trans_currency: str = ""
    receipt_amount: str = ""
    buyer_user_id: str = ""
    send_pay_date: str = ""
    gmt_payment: str = ""
    charge_amount: Yuan = ""
    qr_code: str = ""
    fund_change: str = ""
    refund_fee: str = ""
    send_back_fee: str = ""
    gmt_refund_pay: str = ""
    out_request_no: str = ""
    refund_amount: str = ""
    refund_status: str = ""
    retry_flag: str = ""
    action: str = ""
    app_id: str = ""
    seller_id: str = ""
    charset: str = ""
    timestamp: str = ""


class Refusal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The rules forbid it, or the request was not fit to be carried out: `sub_code` says why."""

    code: str
    msg: str
    sub_code: str
    sub_msg: str = ""
    out_trade_no: str = ""


class Notice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a provider tells an app of a trade, unasked. `notify_id` is the same at each try."""

    notify_id: str
    app_id: str
    out_trade_no: str
    trade_no: str
    trade_status: TradeStatus
    total_amount: str
    seller_id: str
    notify_time: str = ""
    notify_type: str = ""
    charset: str = ""
    version: str = ""
    buyer_id: str = ""
    subject: str = ""
    receipt_amount: str = ""
    gmt_create: str = ""
    gmt_payment: str = ""
    refund_fee: str = ""
    gmt_refund: str = ""
    out_biz_no: str = ""
    charge_amount: Yuan = ""


def check(biz: Biz) -> str:
    """What is wrong with it beyond its shape, "" for nothing."""
    if isinstance(biz, AppPay | Pay | Precreate):
        if not biz.out_trade_no or not 1 <= len(biz.subject) <= 256:
            return "out_trade_no or subject is empty or too long"
    elif not (biz.out_trade_no or biz.trade_no):
        return "out_trade_no and trade_no are both missing"
    if len(biz.out_trade_no) > 64:
        return "out_trade_no is too long"
    if isinstance(biz, Pay) and not biz.auth_code:
        return "auth_code is empty"
    if isinstance(biz, AppPay | Pay | Precreate):
        return _check_amount(biz.total_amount)
    return _check_amount(biz.refund_amount) if isinstance(biz, Refund) else ""


def _check_amount(amount: Amount) -> str:
    try:
        return "" if minor(amount) > 0 else "the amount must be positive"
    except ValueError:
        return "the amount is not one in yuan"


# Codes, amounts, times


def refusal(sub_code: str, sub_msg: str = "", out_trade_no: str = "") -> Refusal:
    code, msg = next(of for prefix, of in _CODES.items() if sub_code.startswith(prefix))
    return Refusal(
        code=code, msg=msg, sub_code=sub_code, sub_msg=sub_msg or msg, out_trade_no=out_trade_no
    )


def yuan(amount_minor: int) -> str:
    return f"{amount_minor // 100}.{amount_minor % 100:02d}"


def minor(amount: Amount) -> int:
    """An amount in yuan, in fen; what is no amount is a ValueError."""
    found = _AMOUNT.fullmatch(str(amount))
    if found is None:
        raise ValueError("not an amount in yuan")
    return int(found[1]) * 100 + int((found[2] or "").ljust(2, "0"))


def fee_minor(told: Reply | Notice) -> int:
    """What the merchant pays, in fen; 0 where Alipay does not tell."""
    return minor(told.charge_amount) if told.charge_amount else 0


def beijing(unix_s: float) -> str:
    """A time of day as all of this wire writes it."""
    told = datetime.fromtimestamp(int(unix_s), UTC) + timedelta(hours=8)
    return told.strftime(_TIME)


def is_time(text: str) -> bool:
    try:
        return datetime.strptime(text, _TIME).strftime(_TIME) == text
    except ValueError:
        return False


_AMOUNT = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,2}))?")
_TIME = "%Y-%m-%d %H:%M:%S"
_CODES = {
    "isp.": ("20000", "Service Currently Unavailable"),
    "isv.missing-": ("40001", "Missing Required Arguments"),
    "isv.app-call-limited": ("40005", "Call Limited"),
    "isv.": ("40002", "Invalid Arguments"),
    "ACQ.": ("40004", "Business Failed"),
}
"""By the first prefix that fits."""
