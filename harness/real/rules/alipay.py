"""What may be asked of Alipay's sandbox, by OpenAPI v2 and v3, and its answers; it sends nothing.

Both versions ask the same in other envelopes: an order that a code is made of, a question, a close,
a cancel, a refund. Sources: as those of the wires, alipay_ai and alipay_v3.
"""

import re

import httpx
import msgspec

from harness.providers.call import UNREADABLE
from harness.real.credentials import Found
from harness.real.rules import reading
from harness.real.rules.asked import NOTHING, Asked, Told
from harness.real.unsafe import Unsafe

WHAT = "an order at Alipay"


def judge_v2(found: Found, request: httpx.Request, path: str, query: bytes) -> Asked:
    if (request.method, path) != ("POST", "/gateway.do"):
        raise Unsafe("a request to Alipay of a kind that none of ours is")
    reading.media(request, reading.FORM, WHAT)
    public = reading.form(query, WHAT)
    body = reading.form(request.content, WHAT)
    if public.keys() & body.keys():
        raise Unsafe("an order at Alipay has a field twice: nobody knows which one counts")
    fields = {**public, **body}
    reading.only(fields, _PUBLIC.__contains__, WHAT)
    reading.same(fields, "app_id", found.endpoint.account, WHAT)
    for name, value in _FIXED.items():
        reading.same({name: value, **fields}, name, value, WHAT)
    method = fields.get("method", "").removeprefix("alipay.trade.").replace(".", "/")
    if not fields.get("method", "").startswith("alipay.trade."):
        raise Unsafe("a request to Alipay of a kind that none of ours is")
    return _asked(method, reading.json_object(fields.get("biz_content", "").encode(), WHAT))


def judge_v3(found: Found, request: httpx.Request, path: str, query: bytes) -> Asked:
    reading.no_query(query, WHAT)
    reading.media(request, reading.JSON, WHAT)
    opened = _OPENED.fullmatch(request.headers.get("authorization", ""))
    if opened is None or opened["app"] != found.endpoint.account:
        raise Unsafe("a request to Alipay of another app than the one that was found")
    if request.method != "POST" or not path.startswith("/v3/alipay/trade/"):
        raise Unsafe("a request to Alipay of a kind that none of ours is")
    method = path.removeprefix("/v3/alipay/trade/")
    return _asked(method, reading.json_object(request.content, WHAT))


def told_v2(asked: Asked, status: int, body: bytes) -> Told:
    try:
        parts = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        node = next((node for name, node in parts.items() if name.endswith("_response")), None)
        answer = msgspec.json.decode(node or b"{}", type=_Answer)
    except UNREADABLE:
        return NOTHING
    if status != 200 or answer.code == "10000":
        return _told(asked, answer) if status == 200 else NOTHING
    return _refused(answer.sub_code, answer.code)


def told_v3(asked: Asked, status: int, body: bytes) -> Told:
    try:
        answer = msgspec.json.decode(body, type=_Answer)
    except UNREADABLE:
        return NOTHING
    return _told(asked, answer) if status == 200 else _refused(answer.code, str(status))


def _asked(method: str, biz: dict[str, object]) -> Asked:
    if method not in _BIZ:
        raise Unsafe("a request to Alipay of a kind that none of ours is")
    reading.only(biz, _BIZ[method].__contains__, WHAT)
    reading.flat(biz, WHAT)
    order_no = reading.text(biz, "out_trade_no", "[0-9A-Za-z_-]{1,64}", WHAT)
    if method == "precreate":
        reading.same({"trans_currency": "CNY", **biz}, "trans_currency", "CNY", WHAT)
        return Asked(
            kind="create",
            order_no=order_no,
            amount_minor=reading.yuan(biz.get("total_amount"), WHAT),
            currency="CNY",
        )
    if method == "refund":
        back = reading.yuan(biz.get("refund_amount"), "a refund at Alipay")
        return Asked(kind="change", order_no=order_no, amount_minor=back, currency="CNY")
    return Asked(kind="close" if method in ("close", "cancel") else "read", order_no=order_no)


def _told(asked: Asked, answer: "_Answer") -> Told:
    closed = ""
    if asked.kind == "close":
        closed = "closed" if answer.retry_flag in ("", "N") else ""
    elif answer.trade_status == "TRADE_CLOSED":
        closed = "closed"
    elif asked.kind == "change" and answer.fund_change == "Y":
        closed = "refunded"
    return Told(made=True, id=answer.trade_no, closed=closed, back_minor=asked.amount_minor)


def _refused(code: str, outer: str) -> Told:
    """An order that nobody has scanned is not there yet, so nothing is open."""
    if code.endswith("TRADE_NOT_EXIST"):
        return Told(closed="not there")
    return Told(unmade=outer in ("40001", "40002", "40003", "40006", "400", "401", "403"))


class _Answer(msgspec.Struct):
    code: str = ""
    sub_code: str = ""
    trade_no: str = ""
    trade_status: str = ""
    retry_flag: str = ""
    fund_change: str = ""


_NUMBER = frozenset({"out_trade_no"})
"""Never the other number, trade_no, which would count for more."""
_BIZ = {
    "precreate": frozenset({
        "out_trade_no", "total_amount", "subject", "trans_currency", "product_code",
        "timeout_express", "time_expire",
    }),
    "query": _NUMBER,
    "close": _NUMBER,
    "cancel": _NUMBER,
    "refund": _NUMBER | {"refund_amount", "out_request_no", "refund_reason"},
    "fastpay/refund/query": _NUMBER | {"out_request_no"},
}  # fmt: skip
_FIXED = {"format": "JSON", "charset": "utf-8", "sign_type": "RSA2", "version": "1.0"}
"""Another charset would make another order of the same bytes."""
_PUBLIC = _FIXED.keys() | {"app_id", "method", "sign", "timestamp", "biz_content"}
_OPENED = re.compile(
    r"ALIPAY-SHA256withRSA app_id=(?P<app>[0-9]+),nonce=[0-9A-Za-z-]{1,64},timestamp=[0-9]+,"
    r"sign=[0-9A-Za-z+/=]+"
)
