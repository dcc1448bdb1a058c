"""The wire of the article's "Alipay AI gateway", which is Alipay's OpenAPI v2; it plays no role.

No gateway of that name is public. The article claims: no sessions, the app signs a payload, the
user approves it in the Alipay client, a signed webhook tells the app. That is what the real wire
does for app payments, so this is the real wire. Its shapes are from opendocs.alipay.com, from the
sources of alipay-sdk-python, and from answers that users of the SDKs published.

    POST /gateway.do   public parameters and biz_content, signed by the app
                       -> {"alipay_trade_query_response": {...}, "sign": ...}, always HTTP 200
    POST (notify_url)  a form, signed by the provider      -> the word "success"

Ours, as no public wire has them, are what happens inside the user's Alipay client, and a way for
strangers to get a mock's credentials:

    POST /client/pay   an order string signed by the app, or the text of a QR code; the query says
                       who pays and how    -> what the Alipay SDK hands back to the app
    GET  /_keys        -> app_id, app_private_key, alipay_public_key

Not modelled: certificates in place of public keys, AES-encrypted content, GBK, app_auth_token.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode

import httpx
import msgspec

from harness.providers import rsa2
from harness.providers.alipay_ai.form import APP_PAY, breach, params_of, signed
from harness.providers.alipay_ai.trade import (
    METHODS,
    AppPay,
    Biz,
    Notice,
    Refusal,
    Reply,
    check,
    refusal,
)
from harness.providers.call import (
    UNREADABLE,
    Call,
    Endpoint,
    Malformed,
    Overloaded,
    RateLimited,
    Unauthorized,
    Unreachable,
    code_name,
    fault_of,
    parse,
)

NAME = "alipay-ai"
HOSTS = ("openapi.alipay.com", "openapi-sandbox.dl.alipaydev.com")
GATEWAY_PATH, CLIENT_PATH, KEYS_PATH = "/gateway.do", "/client/pay", "/_keys"
QR_PREFIX = "https://qr.alipay.com/"
Turned = Literal["rate_limited", "overloaded"]
TAKEN, NOT_TAKEN = b"success", b"failure"
"""What an app answers to a notice; nothing but the first ends the tries."""


class Keys(msgspec.Struct, frozen=True):
    """A mock's credentials, the app's private key in PKCS#1. They open nothing but a mock."""

    app_id: str
    app_private_key: str
    alipay_public_key: str

    def __repr__(self) -> str:
        return f"Keys({self.app_id})"


# Client side


def ask(at: Endpoint, biz: Biz, timestamp: str, notify_url: str = "") -> Call[Reply | Refusal]:
    """Any method but the app payment, which no app's server sends."""
    params = signed(at, biz, timestamp, notify_url)
    form = urlencode({"biz_content": params.pop("biz_content")}).encode()
    url = at.url(GATEWAY_PATH).copy_with(query=urlencode(params).encode())
    request = httpx.Request("POST", url, headers=_FORM, content=form)
    key = _response_key(params["method"])

    def decode(status: int, headers: httpx.Headers, body: bytes) -> Reply | Refusal:
        told = _answer(at, key, status, body)
        if told.out_trade_no and biz.out_trade_no not in ("", told.out_trade_no):
            raise Malformed("the answer is of another trade")
        return told

    return Call(NAME, request, decode)


def sign_order(at: Endpoint, order: AppPay, timestamp: str, notify_url: str) -> str:
    """The order string that an app gives to the user's Alipay client."""
    return urlencode(sorted(signed(at, order, timestamp, notify_url).items()))


def submit(at: Endpoint, order: str, buyer_id: str, channel: str) -> Call[Reply | Refusal]:
    """The user's client pays a signed order, or scans a QR code, whose text the order then is."""
    query = urlencode({"buyer_id": buyer_id, "channel": channel}).encode()
    url = at.url(CLIENT_PATH).copy_with(query=query)
    request = httpx.Request("POST", url, headers=_FORM, content=order.encode())
    return Call(NAME, request, lambda status, _, body: _result(at, status, body))


def fetch_keys(base_url: str) -> Call[Keys]:
    request = httpx.Request("GET", httpx.URL(base_url + KEYS_PATH))
    return Call(NAME, request, lambda status, _, body: decode_keys(status, body))


def decode_keys(status: int, body: bytes) -> Keys:
    if status != 200:
        raise fault_of(status, str(status))
    return parse(body, Keys)


def decode_notice(at: Endpoint, request: httpx.Request) -> Notice | None:
    """None when it was not signed by the provider for this app, or cannot be read."""
    params = params_of(request.content)
    text = rsa2.canonical(params, ("sign", "sign_type"))
    if not rsa2.verify(at.peer_key, text, params.get("sign", "")):
        return None
    try:
        notice = msgspec.convert(params, Notice)
    except msgspec.ValidationError:
        return None
    return notice if notice.app_id == at.account else None


# Server side


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that a known app has signed, and that is whole."""

    method: str
    app_id: str
    biz: Biz
    notify_url: str


@dataclass(frozen=True, slots=True)
class Submitted:
    """What a user's client pays, and how; the order is the text of a QR code, if it read one."""

    buyer_id: str
    channel: str
    order: Asked | str


@dataclass(frozen=True, slots=True)
class Refused:
    """A request that cannot be carried out. Only a known app is answered with a signature."""

    why: Refusal
    method: str
    by_known_app: bool
    by_client: bool


@dataclass(frozen=True, slots=True)
class KeysRequest:
    """Asks for a mock's credentials."""


@dataclass(frozen=True, slots=True)
class NoSuchPath:
    """Asks for something that is not on this wire."""


def decode_request(
    request: httpx.Request, apps: Mapping[str, str]
) -> Asked | Submitted | Refused | KeysRequest | NoSuchPath:
    """What is asked, or why that cannot be done; `apps` are the public keys of known ones."""
    path, query = request.url.path, params_of(request.url.query)
    if path.endswith(KEYS_PATH) and request.method == "GET":
        return KeysRequest()
    if path.endswith(CLIENT_PATH) and request.method == "POST":
        return _submitted(request.content, query, apps)
    if path.endswith(GATEWAY_PATH) and request.method in ("GET", "POST"):
        return _asked(query | params_of(request.content), apps, by_client=False)
    return NoSuchPath()


def encode_reply(
    to: Asked | Submitted | Refused, reply: Reply | Refusal, private_pem: str
) -> tuple[int, dict[str, str], bytes]:
    """The answer of the gateway, or what the Alipay SDK in the user's client hands to the app."""
    by_client = isinstance(to, Submitted) or (isinstance(to, Refused) and to.by_client)
    method = APP_PAY if by_client or isinstance(to, Submitted) else to.method
    node = msgspec.json.encode(reply)
    parts = {_response_key(method): msgspec.Raw(node)}
    if not isinstance(to, Refused) or to.by_known_app:
        parts["sign"] = msgspec.Raw(msgspec.json.encode(rsa2.sign(private_pem, node)))
    if not by_client:
        return 200, _GATEWAY_HEADERS, msgspec.json.encode(parts)
    result = msgspec.json.encode({**parts, "sign_type": "RSA2"}).decode()
    return 200, _JSON, msgspec.json.encode(_Result(_result_status(reply), result))


def encode_turned(
    to: Asked | Submitted | Refused, why: Turned, private_pem: str
) -> tuple[int, dict[str, str], bytes]:
    """What a server answers that takes no call in now: like all else it comes with HTTP 200."""
    sub_code = "isv.app-call-limited" if why == "rate_limited" else "isp.unknow-error"
    return encode_reply(to, refusal(sub_code), private_pem)


def encode_keys(keys: Keys) -> tuple[int, dict[str, str], bytes]:
    return 200, _JSON, msgspec.json.encode(keys)


def encode_no_such_path() -> tuple[int, dict[str, str], bytes]:
    return 404, {"content-type": "text/plain"}, b"no such path"


def encode_notice(
    notify_url: str, notice: Notice, notify_time: str, private_pem: str
) -> httpx.Request:
    told = msgspec.structs.replace(
        notice,
        notify_time=notify_time,
        notify_type="trade_status_sync",
        charset="utf-8",
        version="1.0",
    )
    params: dict[str, str] = msgspec.to_builtins(told)
    sign = rsa2.sign(private_pem, rsa2.canonical(params, ()))
    form = urlencode({**params, "sign_type": "RSA2", "sign": sign}).encode()
    return httpx.Request("POST", notify_url, headers=_FORM, content=form)


def encode_receipt(taken: bool) -> httpx.Response:
    """The app's answer to a notice."""
    return httpx.Response(200, headers=_TEXT, content=TAKEN if taken else NOT_TAKEN)


def is_receipt(answer: httpx.Response) -> bool:
    """Whether the app has taken the notice; the answer must have been read."""
    return answer.is_success and answer.content.strip() == TAKEN


# The wire below


_METHOD = re.compile(r"[a-z]{1,32}(\.[a-z]{1,32}){1,7}")
_FORM = {"content-type": "application/x-www-form-urlencoded;charset=utf-8"}
_JSON = {"content-type": "application/json"}
_TEXT = {"content-type": "text/plain"}
_GATEWAY_HEADERS = {"content-type": "text/html;charset=utf-8"}
"""So the real one says, though the body is JSON."""
_OUR_KEY = ("isv.invalid-app-id", "isv.invalid-signature", "isv.missing-signature")


class _Result(msgspec.Struct, rename="camel"):
    """What the Alipay SDK hands to an app; `result` is JSON in a string."""

    result_status: str
    result: str
    memo: str = ""


class _Verdict(msgspec.Struct):
    code: str
    sub_code: str = ""


def _answer(at: Endpoint, key: str, status: int, body: bytes) -> Reply | Refusal:
    """What the answer says, if the provider signed it: as these very bytes, never written anew."""
    if status != 200:
        raise fault_of(status, str(status))
    parts = parse(body, dict[str, msgspec.Raw])
    node = bytes(parts.get(key) or parts.get("error_response") or b"")
    verdict = parse(node, _Verdict)
    carried_out = verdict.code in ("10000", "10003")
    if not carried_out:
        _raise_fault(verdict)
    sign = parse(bytes(parts.get("sign") or b'""'), str)
    if not rsa2.verify(at.peer_key, node, sign):
        raise Malformed("the answer is not signed by the provider")
    return parse(node, Reply) if carried_out else parse(node, Refusal)


def _raise_fault(verdict: _Verdict) -> None:
    """Unless the verdict is a refusal by the rules of business. A fault need not be signed: it is
    believed no further than that the call failed."""
    code = f"{verdict.code} {verdict.sub_code}"
    told = code_name(code)
    if verdict.code == "20000" or verdict.sub_code.endswith("SYSTEM_ERROR"):
        raise Overloaded(told, code=code)
    if verdict.code == "40005":
        raise RateLimited(told, code=code)
    if verdict.code in ("20001", "40003", "40006") or verdict.sub_code in _OUR_KEY:
        raise Unauthorized(told, code=code)
    if verdict.code != "40004":
        raise Malformed(told, code=code)


def _result(at: Endpoint, status: int, body: bytes) -> Reply | Refusal:
    """Without a result there is only the word of the user's own device, which nobody signed: even
    that the user closed the cashier, 6001, leaves open whether money moved."""
    if status != 200:
        raise fault_of(status, str(status))
    told = parse(body, _Result)
    if told.result:
        return _answer(at, _response_key(APP_PAY), 200, told.result.encode())
    said = f"the Alipay client ended with {told.result_status}"
    raise Unreachable(said, code=told.result_status, what="the Alipay client's own word")


def _result_status(reply: Reply | Refusal) -> str:
    """9000 is done, 4000 failed, 6004 not known."""
    if isinstance(reply, Reply):
        return "9000"
    return "6004" if reply.code == "20000" else "4000"


def _submitted(
    body: bytes, query: Mapping[str, str], apps: Mapping[str, str]
) -> Submitted | Refused:
    buyer_id, channel = query.get("buyer_id", ""), query.get("channel", "")
    text = body.decode("utf-8", "replace").strip()
    if text.startswith(QR_PREFIX):
        return Submitted(buyer_id, channel, text)
    order = _asked(params_of(body), apps, by_client=True)
    return Submitted(buyer_id, channel, order) if isinstance(order, Asked) else order


def _asked(
    params: Mapping[str, str], apps: Mapping[str, str], *, by_client: bool
) -> Asked | Refused:
    method, app_id = params.get("method", ""), params.get("app_id", "")

    def refused(sub_code: str, sub_msg: str = "") -> Refused:
        return Refused(refusal(sub_code, sub_msg), method, app_id in apps, by_client)

    if fault := breach(params, apps, by_client):
        return refused(fault)
    try:
        biz = msgspec.json.decode(params.get("biz_content") or "{}", type=METHODS[method])
    except msgspec.ValidationError as error:
        return refused("ACQ.INVALID_PARAMETER", str(error))
    except UNREADABLE:
        return refused("isv.illegal-json")
    if fault := check(biz):
        return refused("ACQ.INVALID_PARAMETER", fault)
    return Asked(method, app_id, biz, params.get("notify_url", ""))


def _response_key(method: str) -> str:
    """A stranger's text is not repeated unless it looks like a method."""
    return f"{method.replace('.', '_')}_response" if _METHOD.fullmatch(method) else "error_response"
