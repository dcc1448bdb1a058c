"""What may be asked of UnionPay's test gateway 5.1.0, and what it answers; it sends nothing.

An order that nobody pays is not closed on this wire: it ends at its payTimeout, so each has one.
Source: the gateway's interface specification, as the wire of the same name.
"""

import re
from collections.abc import Mapping

import httpx

from harness.real.credentials import Found
from harness.real.rules import reading
from harness.real.rules.asked import NOTHING, Asked, Told
from harness.real.unsafe import Unsafe

WHAT = "an order at UnionPay"
_YUAN = "156"
"""The renminbi's number (ISO 4217)."""


def judge(found: Found, request: httpx.Request, path: str, query: bytes) -> Asked:
    reading.no_query(query, WHAT)
    if request.method != "POST" or path not in _TYPES:
        raise Unsafe("a request to UnionPay of a kind that none of ours is")
    reading.media(request, reading.FORM, WHAT)
    fields = reading.form(request.content, WHAT)
    reading.only(fields, _FIELDS.__contains__, WHAT)
    for name, value in (*_FIXED, ("merId", found.endpoint.account)):
        reading.same(fields, name, value, WHAT)
    kind = fields.get("txnType", "")
    if kind not in _TYPES[path] or fields.get("bizType") not in _PRODUCTS:
        raise Unsafe("a request to UnionPay of a kind that none of ours is")
    order_no = reading.text(fields, "orderId", "[0-9A-Za-z]{8,40}", WHAT)
    txn_time = reading.text(fields, "txnTime", "[0-9]{14}", WHAT)
    if kind == "00":
        return Asked(kind="read", order_no=order_no, txn_time=txn_time)
    amount_minor = reading.whole(fields.get("txnAmt"), WHAT)
    currency = _currency(fields, kind)
    if kind != "01":
        # The number is of the giving back itself: its order is known by the other.
        of = reading.text(fields, "origQryId", "[0-9]{1,32}", WHAT)
        return Asked(kind="change", id=of, amount_minor=amount_minor, currency=currency)
    return Asked(
        kind="create",
        order_no=order_no,
        amount_minor=amount_minor,
        currency=currency,
        txn_time=txn_time,
        ends_at=reading.text(fields, "payTimeout", "[0-9]{14}", WHAT),
    )


def told(asked: Asked, status: int, body: bytes) -> Told:
    """Never the number that a client pays the order by (tn). That money is to go back is taken on
    here and done later, which only a query tells."""
    code = _field(body, b"respCode")
    if status != 200 or not code or asked.kind == "change":
        return NOTHING
    unmade = asked.kind == "create" and code in _UNFIT
    id_ = _field(body, b"queryId") if asked.kind == "read" else ""
    return Told(made=code in _GOOD and asked.kind == "create", id=id_, unmade=unmade)


def _currency(fields: Mapping[str, str], kind: str) -> str:
    told = fields.get("currencyCode", "" if kind == "01" else _YUAN)
    if told != _YUAN:
        raise Unsafe(f"{WHAT} has no currencyCode, or another than {_YUAN}")
    return "CNY"


def _field(body: bytes, name: bytes) -> str:
    """Answers are no form: their values stand as they are, in whatever characters."""
    found = re.search(rb"(?:^|&)%b=([0-9A-Za-z]{1,40})(?:&|$)" % name, body.strip())
    return found[1].decode("ascii") if found else ""


_GOOD = ("00", "A6")
_UNFIT = ("10", "11", "13", "14")
"""Of a request that was not understood, or not believed to be the merchant's."""
_FIXED = (("version", "5.1.0"), ("encoding", "UTF-8"), ("signMethod", "01"), ("accessType", "0"))
_PRODUCTS = ("000201", "000000")
"""Orders of an app, and none in particular."""
_TYPES = {
    "/gateway/api/appTransReq.do": ("01",),
    "/gateway/api/backTransReq.do": ("04", "31"),
    "/gateway/api/queryTrans.do": ("00",),
}
_FIELDS = frozenset({
    "version", "encoding", "signMethod", "txnType", "txnSubType", "bizType", "channelType",
    "accessType", "merId", "orderId", "txnTime", "txnAmt", "currencyCode", "frontUrl", "backUrl",
    "certId", "payTimeout", "orderDesc", "origQryId", "queryId", "signature",
})  # fmt: skip
