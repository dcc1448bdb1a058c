"""What may be asked of WeChat Pay, and what it answers: native orders of one fen; it sends nothing.

There is no sandbox: whoever saw the code of such an order could pay it. So an order is made,
looked at and closed, and what somebody paid is given back. Source: as that of the wire, wechatpay.
"""

import re

import httpx
import msgspec

from harness.providers.call import UNREADABLE
from harness.real.credentials import Found
from harness.real.rules import reading
from harness.real.rules.asked import NOTHING, Asked, Told
from harness.real.unsafe import Unsafe

WHAT = "an order at WeChat Pay"


def judge(found: Found, request: httpx.Request, path: str, query: bytes) -> Asked:
    at = found.endpoint
    if not _is_opened_by(at.account, request.headers.get("authorization", "")):
        raise Unsafe("a request to WeChat Pay of another merchant than the one that was found")
    reading.media(request, reading.JSON, WHAT)
    if request.method == "GET":
        reading.no_body(request.content, WHAT)
        return _look(found, path, query)
    reading.no_query(query, WHAT)
    if request.method == "POST":
        body = reading.json_object(request.content, WHAT)
        if path == "/v3/pay/transactions/native":
            return _create(found, body)
        if path == "/v3/refund/domestic/refunds":
            return _refund(body)
        if one := _CLOSE.fullmatch(path):
            reading.only(body, {"mchid"}.__contains__, WHAT)
            reading.same(body, "mchid", at.account, WHAT)
            return Asked(kind="close", order_no=_plain(one["no"]))
    raise Unsafe("a request to WeChat Pay of a kind that none of ours is")


def told(asked: Asked, status: int, body: bytes) -> Told:
    """Never the code of an order: who has it can pay."""
    if asked.kind == "close" and status == 204:
        return Told(closed="closed")
    try:
        answer = msgspec.json.decode(body, type=_Answer)
    except UNREADABLE:
        return NOTHING
    if status != 200:
        return _refused(status, answer.code.replace("_", ""))
    if asked.kind == "change":
        back = answer.status in ("SUCCESS", "PROCESSING")
        return Told(closed="refunded" if back else "", back_minor=asked.amount_minor)
    closed = "closed" if answer.trade_state in ("CLOSED", "REVOKED") else ""
    return Told(made=True, id=answer.transaction_id, closed=closed)


def _is_opened_by(mchid: str, header: str) -> bool:
    opened = _OPENED.fullmatch(header)
    fields = opened[1].split(",") if opened else []
    names = {field.partition("=")[0] for field in fields}
    return f'mchid="{mchid}"' in fields and len(names) == len(fields)


def _create(found: Found, body: dict[str, object]) -> Asked:
    reading.only(body, _CREATE.__contains__, WHAT)
    reading.flat({name: body[name] for name in body if name != "amount"}, WHAT)
    reading.same(body, "mchid", found.endpoint.account, WHAT)
    reading.same(body, "appid", found.endpoint.app, WHAT)
    amount = reading.member(body, "amount", WHAT)
    reading.only(amount, {"total", "currency"}.__contains__, WHAT)
    total = amount.get("total")
    return Asked(
        kind="create",
        order_no=reading.text(body, "out_trade_no", _NO, WHAT),
        amount_minor=reading.whole(None if isinstance(total, str) else total, WHAT),
        currency=reading.text(amount, "currency", "[A-Z]{3}", WHAT),
    )


def _refund(body: dict[str, object]) -> Asked:
    what = "a refund at WeChat Pay"
    reading.only(body, _REFUND.__contains__, what)
    amount = reading.member(body, "amount", what)
    reading.only(amount, {"refund", "total", "currency"}.__contains__, what)
    back = amount.get("refund")
    return Asked(
        kind="change",
        order_no=reading.text(body, "out_trade_no", _NO, what),
        amount_minor=reading.whole(None if isinstance(back, str) else back, what),
        currency=reading.text(amount, "currency", "[A-Z]{3}", what),
    )


def _look(found: Found, path: str, query: bytes) -> Asked:
    fields = reading.form(query, WHAT)
    if one := _QUERY.fullmatch(path):
        reading.only(fields, {"mchid"}.__contains__, WHAT)
        reading.same(fields, "mchid", found.endpoint.account, WHAT)
        return Asked(kind="read", order_no=_plain(one["no"]))
    if _REFUND_QUERY.fullmatch(path) and not fields:
        return Asked(kind="read")
    raise Unsafe("a question to WeChat Pay of a kind that none of ours is")


def _refused(status: int, code: str) -> Told:
    if code == "ORDERNOTEXIST":
        return Told(closed="not there")
    if code == "ORDERCLOSED":
        return Told(closed="closed")
    return Told(unmade=status in (400, 401, 403) and code != "OUTTRADENOUSED")


def _plain(no: str) -> str:
    return no.replace("%7C", "|").replace("%7c", "|").replace("%2A", "*").replace("%2a", "*")


class _Answer(msgspec.Struct):
    code: str = ""
    status: str = ""
    trade_state: str = ""
    transaction_id: str = ""


_NO = r"[0-9A-Za-z_|*-]{6,32}"
_IN_PATH = r"(?P<no>(?:[0-9A-Za-z_|*-]|%7[Cc]|%2[Aa]){6,32})"
_QUERY = re.compile(rf"/v3/pay/transactions/out-trade-no/{_IN_PATH}")
_CLOSE = re.compile(rf"/v3/pay/transactions/out-trade-no/{_IN_PATH}/close")
_REFUND_QUERY = re.compile(
    r"/v3/refund/domestic/refunds/(?:[0-9A-Za-z_|*@-]|%7[Cc]|%2[Aa]|%40){1,64}"
)
_OPENED = re.compile(r'WECHATPAY2-SHA256-RSA2048 ((?:[a-z_]+="[^",]*"(?:,(?=.)|$))+)')
_CREATE = frozenset({
    "appid", "mchid", "description", "out_trade_no", "time_expire", "attach", "notify_url",
    "amount",
})  # fmt: skip
_REFUND = frozenset({"out_trade_no", "out_refund_no", "reason", "amount"})
