"""The words of WeChat Pay's APIv3: what is asked, what is answered, what is refused.

It encodes no message. Shapes, lengths and codes are from pay.weixin.qq.com/doc/v3: native order
(merchant/4012525095), query (merchant/4012556352), close (merchant/4012556398) and refund
(partner/4012709253). Every amount is in fen. Fields that nobody here fills in are left out.
"""

import re
from collections.abc import Mapping
from hashlib import blake2b
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

CODE_PREFIX = "weixin://wxpay/bizpayurl?pr="

TradeState = Literal[
    "SUCCESS", "REFUND", "NOTPAY", "CLOSED", "REVOKED", "USERPAYING", "PAYERROR"
]  # fmt: skip
RefundStatus = Literal["SUCCESS", "CLOSED", "PROCESSING", "ABNORMAL"]

Fen = Annotated[int, Meta(ge=1, le=10_000_000_000)]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]
_ORDER_NO = re.compile(r"[0-9A-Za-z_|*-]{6,32}")
_REFUND_NO = re.compile(r"[0-9A-Za-z_|*@-]{1,64}")
OrderNo = Annotated[str, Meta(pattern=rf"^{_ORDER_NO.pattern}\Z")]
RefundNo = Annotated[str, Meta(pattern=rf"^{_REFUND_NO.pattern}\Z")]
MerchantId = Annotated[str, Meta(min_length=1, max_length=32)]
NotifyUrl = Annotated[str, Meta(pattern=r"^https?://[!-~]+\Z", max_length=255)]


# What is asked


class Amount(msgspec.Struct, frozen=True):
    total: Fen
    currency: Currency = "CNY"


class NewOrder(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An order that whoever scans its code can pay."""

    appid: MerchantId
    mchid: MerchantId
    description: Annotated[str, Meta(min_length=1, max_length=127)]
    out_trade_no: OrderNo
    notify_url: NotifyUrl
    amount: Amount
    time_expire: str = ""
    attach: Annotated[str, Meta(max_length=128)] = ""


class Close(msgspec.Struct, frozen=True):
    mchid: MerchantId


class RefundAmount(msgspec.Struct, frozen=True):
    """`total` is what the whole order was of."""

    refund: Fen
    total: Fen
    currency: Currency = "CNY"


class NewRefund(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A part of a paid order to give back, or all of it. One number gives back once, however often
    it is sent."""

    out_refund_no: RefundNo
    amount: RefundAmount
    out_trade_no: str = ""
    transaction_id: str = ""
    reason: Annotated[str, Meta(max_length=80)] = ""
    notify_url: str = ""


# What is answered


class Ordered(msgspec.Struct, frozen=True):
    """What a code is made from. Whoever sees it can pay the order, so it is never printed."""

    code_url: Annotated[str, Meta(pattern="^weixin://")]

    def __repr__(self) -> str:
        return "Ordered()"


class OrderAmount(msgspec.Struct, frozen=True, omit_defaults=True):
    total: Annotated[int, Meta(ge=0)] = 0
    payer_total: int = 0
    currency: str = ""
    payer_currency: str = ""


class Order(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Where an order stands."""

    mchid: str
    out_trade_no: str
    trade_state: TradeState
    trade_state_desc: str = ""
    appid: str = ""
    transaction_id: str = ""
    trade_type: str = ""
    bank_type: str = ""
    attach: str = ""
    success_time: str = ""
    amount: OrderAmount | None = None


class RefundedAmount(msgspec.Struct, frozen=True, omit_defaults=True):
    total: int
    refund: int
    payer_total: int = 0
    payer_refund: int = 0
    currency: str = ""


class Refunded(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Where a refund stands: that it was taken in does not say that it was made."""

    refund_id: str
    out_refund_no: str
    out_trade_no: str
    status: RefundStatus
    amount: RefundedAmount
    transaction_id: str = ""
    channel: str = ""
    user_received_account: str = ""
    create_time: str = ""
    success_time: str = ""


# What is refused

RefusalCode = Literal[
    "ACCOUNT_ERROR",
    "INVALID_REQUEST",
    "NOT_ENOUGH",
    "ORDER_CLOSED",
    "ORDER_NOT_EXIST",
    "ORDER_PAID",
    "OUT_TRADE_NO_USED",
    "RESOURCE_NOT_EXISTS",
    "TRADE_ERROR",
]


class Refusal(msgspec.Struct, frozen=True):
    """WeChat's rules forbid it. This is an answer, not a fault."""

    code: RefusalCode
    message: str = ""


class Problem(msgspec.Struct, frozen=True):
    """The body of every error. `detail` may be anything, and is not looked at."""

    code: str
    message: str = ""

    @property
    def known_code(self) -> str:
        """As it is spelled today."""
        return _OLD_SPELLINGS.get(self.code, self.code)


STATUSES: Mapping[str, int] = {
    "ACCOUNT_ERROR": 403,
    "APPID_MCHID_NOT_MATCH": 400,
    "FREQUENCY_LIMITED": 429,
    "INVALID_REQUEST": 400,
    "NOT_ENOUGH": 403,
    "NO_AUTH": 403,
    "ORDER_CLOSED": 400,
    "ORDER_NOT_EXIST": 404,
    "ORDER_PAID": 400,
    "OUT_TRADE_NO_USED": 403,
    "PARAM_ERROR": 400,
    "RESOURCE_NOT_EXISTS": 404,
    "SIGN_ERROR": 401,
    "SYSTEM_ERROR": 500,
    "TRADE_ERROR": 403,
}
"""The HTTP status that each code comes with."""

TOO_OFTEN = ("FREQUENCY_LIMITED", "RATELIMIT_EXCEEDED", "RULE_LIMIT")
"""Also where they come with another status than 429."""
NOT_OURS = ("APPID_MCHID_NOT_MATCH", "MCH_NOT_EXISTS")
"""Said with 400 of an account that does not fit the key."""

_OLD_SPELLINGS = {
    "ORDERCLOSED": "ORDER_CLOSED",
    "ORDERNOTEXIST": "ORDER_NOT_EXIST",
    "ORDERPAID": "ORDER_PAID",
    "RULELIMIT": "RULE_LIMIT",
    "SYSTEMERROR": "SYSTEM_ERROR",
}


def as_order_no(text: str) -> str:
    """A number that the wire allows: the text itself, or always the same one in its place."""
    return text if _ORDER_NO.fullmatch(text) else _digest(text)


def as_refund_no(text: str) -> str:
    return text if _REFUND_NO.fullmatch(text) else _digest(text)


def void_no(out_trade_no: str) -> str:
    """Of the refund that gives all of an order back: always the same, so that it goes back once."""
    return as_refund_no(f"{out_trade_no}-void")


def is_order_no(text: str) -> bool:
    return _ORDER_NO.fullmatch(text) is not None


def _digest(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
