"""What is asked of UnionPay's gateway, as fields and back: an order, how one stands, money back.

It signs nothing and knows no answer. Field names and values are those of the official SDK's samples
for version 5.1.0 (product 000201, a purchase).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal, assert_never

from harness.providers.unionpay.message import COMMON

ORDER_PATH, QUERY_PATH, BACK_PATH = (
    f"/gateway/api/{name}.do" for name in ("appTransReq", "queryTrans", "backTransReq")
)
NOWHERE = "https://example.com/unionpay"
"""Where notices are asked to go: a name that is reserved for documents."""
CURRENCIES = {"CNY": "156", "USD": "840", "HKD": "344", "EUR": "978", "JPY": "392"}
"""ISO 4217's numbers."""
LEAST, MOST = 8, 40
"""Characters of an order's number."""

Kind = Literal["31", "04"]
UNDO: Kind = "31"
REFUND: Kind = "04"


@dataclass(frozen=True, slots=True)
class NewOrder:
    """`currency` is a number of ISO 4217; times are as `message.stamp` writes them."""

    order_id: str
    at: str
    amount_minor: int
    currency: str
    until: str


@dataclass(frozen=True, slots=True)
class Query:
    """How a transaction stands. Without the time that it was sent with none is found."""

    order_id: str
    at: str


@dataclass(frozen=True, slots=True)
class Back:
    """Undo a purchase of the same day, or give back a part, under a number of its own."""

    kind: Kind
    order_id: str
    at: str
    amount_minor: int
    of_query_id: str


Asked = NewOrder | Query | Back


def order_id(*numbers: str) -> str:
    """The merchant's own numbers as this wire takes one, 8 to 40 letters and digits: another for
    every other one. What is none of them becomes Z and its hexadecimal, and so does Z; a short one
    is filled up with Z, a long one is a digest."""
    raw = "/".join(numbers).encode()
    told = "".join(chr(byte) if chr(byte) in _PLAIN else f"Z{byte:02X}" for byte in raw)
    if len(told) > MOST:
        return "ZH" + blake2b(raw, digest_size=19).hexdigest()
    return told.ljust(LEAST, "Z")


def path_of(asked: Asked) -> str:
    match asked:
        case NewOrder():
            return ORDER_PATH
        case Query():
            return QUERY_PATH
        case Back():
            return BACK_PATH
        case _:
            assert_never(asked)


def fields_of(asked: Asked) -> dict[str, str]:
    """All but who asks."""
    named = {"orderId": asked.order_id, "txnTime": asked.at}
    match asked:
        case NewOrder():
            own = {
                "txnAmt": str(asked.amount_minor),
                "currencyCode": asked.currency,
                "payTimeout": asked.until,
                "backUrl": NOWHERE,
            }
            return {**COMMON, **_KINDS["01"], **named, **own}
        case Query():
            return {**COMMON, **_KINDS["00"], **named}
        case Back():
            own = {
                "txnAmt": str(asked.amount_minor),
                "origQryId": asked.of_query_id,
                "backUrl": NOWHERE,
            }
            return {**COMMON, **_KINDS[asked.kind], **named, **own}
        case _:
            assert_never(asked)


def asked_of(path: str, fields: Mapping[str, str]) -> Asked | None:
    """None where a field is missing or is not as the documents have it."""
    kind = fields.get("txnType", "")
    usual = {**COMMON, **_KINDS.get(kind, {"txnType": "?"})}
    if any(fields.get(name) != usual[name] for name in usual if name not in _FREE):
        return None
    if not all(re.fullmatch(form, fields.get(name, "")) for name, form in _FORMS[kind].items()):
        return None
    named = fields["orderId"], fields["txnTime"]
    if path.endswith(ORDER_PATH) and kind == "01":
        amount_minor = int(fields["txnAmt"])
        return NewOrder(*named, amount_minor, fields["currencyCode"], fields["payTimeout"])
    if path.endswith(QUERY_PATH) and kind == "00":
        return Query(*named)
    if path.endswith(BACK_PATH) and (back := _BACKS.get(kind)):
        return Back(back, *named, int(fields["txnAmt"]), fields["origQryId"])
    return None


_PLAIN = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYabcdefghijklmnopqrstuvwxyz")
_KINDS = {
    "01": {"txnType": "01", "txnSubType": "01", "bizType": "000201", "channelType": "08"},
    "00": {"txnType": "00", "txnSubType": "00", "bizType": "000000"},
    "31": {"txnType": "31", "txnSubType": "00", "bizType": "000201", "channelType": "08"},
    "04": {"txnType": "04", "txnSubType": "00", "bizType": "000201", "channelType": "08"},
}
"""By txnType. The channel is 07 for a computer, 08 for a phone."""
_BACKS: dict[str, Kind] = {UNDO: UNDO, REFUND: REFUND}
_FREE = ("channelType", "encoding", "bizType")
"""What users' requests, that the test gateway took, write otherwise: utf-8, and 000000 for money
back."""

_NAMED = {"orderId": "[0-9A-Za-z]{8,40}", "txnTime": "[0-9]{14}"}
_MONEY = {"txnAmt": "[1-9][0-9]{0,11}", "backUrl": "https?://[!-~]+"}
_FORMS = {
    "01": {**_NAMED, **_MONEY, "currencyCode": "[0-9]{3}", "payTimeout": "[0-9]{14}"},
    "00": _NAMED,
    "31": {**_NAMED, **_MONEY, "origQryId": "[0-9]{21}"},
    "04": {**_NAMED, **_MONEY, "origQryId": "[0-9]{21}"},
}
