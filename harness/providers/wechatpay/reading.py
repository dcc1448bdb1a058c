"""What comes in at WeChat Pay, as APIv3 has it: read, and held against its signature.

It answers nothing, and knows no clock: the time comes from outside.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import parse_qsl, unquote

import httpx
import msgspec

from harness.providers import rsa2
from harness.providers.call import UNREADABLE
from harness.providers.wechatpay.orders import Close, NewOrder, NewRefund, is_order_no
from harness.providers.wechatpay.signing import SERIAL_HEADER, Claim, claim_of, request_text

NATIVE_PATH = "/v3/pay/transactions/native"
ORDER_PATH = "/v3/pay/transactions/out-trade-no/"
TRANSACTION_PATH = "/v3/pay/transactions/id/"
REFUNDS_PATH, CERTIFICATES_PATH = "/v3/refund/domestic/refunds", "/v3/certificates"
CLIENT_PATH, KEYS_PATH = "/client/pay", "/_keys"


@dataclass(frozen=True, slots=True)
class Query:
    """Of an order by its merchant's number, or by WeChat's own."""

    out_trade_no: str = ""
    transaction_id: str = ""


@dataclass(frozen=True, slots=True)
class CloseOrder:
    out_trade_no: str


@dataclass(frozen=True, slots=True)
class QueryRefund:
    out_refund_no: str


@dataclass(frozen=True, slots=True)
class AskCertificates:
    """WeChat's own, sealed for the merchant."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What a user's WeChat has read, and whose it is."""

    code: str
    openid: str


What = NewOrder | Query | CloseOrder | NewRefund | QueryRefund | AskCertificates | Scan


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that is whole, signed by this merchant unless it is a user's. `answer_by` is the
    key that the answer shall be signed with, "" for any."""

    what: What
    mchid: str
    answer_by: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A request that cannot be carried out; the code says why."""

    code: str
    message: str
    answer_by: str = ""


@dataclass(frozen=True, slots=True)
class KeysRequest:
    """Asks for a mock's credentials."""


@dataclass(frozen=True, slots=True)
class NoSuchPath:
    """Asks for something that is not on this wire."""


def decode_request(
    request: httpx.Request, merchants: Mapping[tuple[str, str], str], now_s: int
) -> Asked | Refused | KeysRequest | NoSuchPath:
    """What is asked, or why that cannot be done. `merchants` are the public keys of known ones, by
    merchant and serial number."""
    path = request.url.raw_path.decode("ascii").partition("?")[0]
    by = str(request.headers.get(SERIAL_HEADER, ""))
    if path.endswith(KEYS_PATH) and request.method == "GET":
        return KeysRequest()
    if path.endswith(CLIENT_PATH) and request.method == "POST":
        openid = dict(parse_qsl(request.url.query.decode())).get("openid", "")
        return Asked(Scan(request.content.decode("utf-8", "replace").strip(), openid), "", by)
    found = _PATH.search(path)
    if found is None or request.method != _method(found):
        return NoSuchPath()
    claim = claim_of(request.headers.get("authorization", ""))
    if problem := _unproven(request, found, claim, merchants, now_s):
        return Refused("SIGN_ERROR", problem, by)
    assert claim is not None
    what = _what(request, found, claim.mchid)
    return (
        Refused("PARAM_ERROR", what, by) if isinstance(what, str) else Asked(what, claim.mchid, by)
    )


# The parts of a request


_SEGMENT = "[^/]+"
_PATH = re.compile(
    rf"(?:(?P<native>{NATIVE_PATH})|{ORDER_PATH}(?P<order>{_SEGMENT}?)(?P<close>/close)?"
    rf"|{TRANSACTION_PATH}(?P<transaction>{_SEGMENT})"
    rf"|(?P<refunds>{REFUNDS_PATH})(?:/(?P<refund>{_SEGMENT}))?|{CERTIFICATES_PATH})\Z"
)


def _method(found: re.Match[str]) -> str:
    acts = found["native"] or found["close"] or (found["refunds"] and not found["refund"])
    return "POST" if acts else "GET"


def _unproven(
    request: httpx.Request,
    found: re.Match[str],
    claim: Claim | None,
    merchants: Mapping[tuple[str, str], str],
    now_s: int,
) -> str:
    """Why it is not proven that a known merchant sends this now, "" where it is."""
    if claim is None:
        return "the Authorization header is missing or cannot be read"
    if claim.is_late(now_s):
        return "the timestamp is too far off"
    key = merchants.get((claim.mchid, claim.serial))
    if key is None:
        return "no such merchant, or no such certificate"
    whole = request.url.raw_path.decode("ascii")
    # A mock's path may begin with more than WeChat's does, and a client may sign that too or not.
    for target in dict.fromkeys((whole[found.start() :], whole)):
        text = request_text(request.method, target, claim.stamp, request.content)
        if rsa2.verify(key, text, claim.signature):
            return ""
    return "the signature does not fit"


def _what(request: httpx.Request, found: re.Match[str], mchid: str) -> What | str:
    """What is asked, or what is wrong with it."""
    if found["native"]:
        return _of_merchant(_body(request, NewOrder), mchid)
    if found["close"]:
        closing = _of_merchant(_body(request, Close), mchid)
        return closing if isinstance(closing, str) else _numbered(CloseOrder, found["order"])
    if found["refund"]:
        return QueryRefund(unquote(found["refund"]))
    if found["refunds"]:
        return _checked_refund(_body(request, NewRefund))
    if not (found["order"] or found["transaction"]):
        return AskCertificates()
    if dict(parse_qsl(request.url.query.decode())).get("mchid") != mchid:
        return "mchid is not the one that signed"
    if found["transaction"]:
        return Query(transaction_id=unquote(found["transaction"]))
    return _numbered(Query, found["order"])


S = TypeVar("S", bound=msgspec.Struct)
M = TypeVar("M", NewOrder, Close)
N = TypeVar("N", Query, CloseOrder)


def _body(request: httpx.Request, shape: type[S]) -> S | str:
    try:
        return msgspec.json.decode(request.content, type=shape)
    except msgspec.ValidationError as error:
        return str(error)
    except UNREADABLE:
        return "the body is no JSON"


def _of_merchant(body: M | str, mchid: str) -> M | str:
    if isinstance(body, str) or body.mchid == mchid:
        return body
    return "mchid is not the one that signed"


def _numbered(shape: type[N], quoted: str) -> N | str:
    out_trade_no = unquote(quoted)
    if not is_order_no(out_trade_no):
        return "out_trade_no must be 6 to 32 of 0-9A-Za-z_-|*"
    return shape(out_trade_no=out_trade_no)


def _checked_refund(body: NewRefund | str) -> NewRefund | str:
    if isinstance(body, str) or body.transaction_id or is_order_no(body.out_trade_no):
        return body
    return "neither transaction_id nor a good out_trade_no"
