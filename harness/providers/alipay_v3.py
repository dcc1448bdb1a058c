"""The wire of Alipay's OpenAPI v3, in the trade methods that an order needs; it plays no role.

What is asked and answered is what v2 asks and answers, so its words are alipay_ai/trade.py's; only
the envelope is another. It is that of opendocs.alipay.com (open-v3/054oog for requests, 054q58 for
their signature, 054d0z for that of answers, 054fcv for errors) and of the sources of
alipay-sdk-java v3 and alipay-sdk-nodejs.

    POST /v3/alipay/trade/...   JSON; Authorization: ALIPAY-SHA256withRSA app_id=..,nonce=..,
                                timestamp=(ms),sign=..
                                signed: that without its sign, the method, the path, the body, each
                                with a line end
                                -> JSON, signed in headers: timestamp, nonce and body likewise
                                -> 4xx and 5xx: {"code", "message", "links"}, perhaps unsigned

The path that is signed begins at /v3/: a mock's own prefix is no part of it. Ours, as no public
wire has them, are the two ways in that alipay_ai.py describes: POST /client/pay with the text of a
QR code, and GET /_keys.

Not modelled: certificates in place of public keys, AES-encrypted content, app_auth_token, notices
(a trade can name where to send them, but nobody does here), and whether a nonce came before.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode

import httpx
import msgspec

from harness.providers import rsa2
from harness.providers.alipay_ai import HOSTS as HOSTS
from harness.providers.alipay_ai import Keys, decode_keys
from harness.providers.alipay_ai.form import params_of
from harness.providers.alipay_ai.trade import (
    Biz,
    Cancel,
    Close,
    Precreate,
    Query,
    Refund,
    RefundQuery,
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
    ProviderFault,
    RateLimited,
    Unauthorized,
    code_name,
    fault_of,
    parse,
    request_of,
)

NAME = "alipay-v3"
CLIENT_PATH, KEYS_PATH = "/client/pay", "/_keys"
SCHEME = "ALIPAY-SHA256withRSA"
SKEW_MS = 600_000
"""A timestamp that is further away is refused (054q58)."""

METHODS: dict[str, type[Biz]] = {
    "/v3/alipay/trade/precreate": Precreate,
    "/v3/alipay/trade/query": Query,
    "/v3/alipay/trade/refund": Refund,
    "/v3/alipay/trade/fastpay/refund/query": RefundQuery,
    "/v3/alipay/trade/close": Close,
    "/v3/alipay/trade/cancel": Cancel,
}
_PATHS: dict[type[Biz], str] = {of: path for path, of in METHODS.items()}


# Client side


def ask(at: Endpoint, biz: Biz, timestamp_ms: int, nonce: str) -> Call[Reply | Refusal]:
    """Any method of these. The nonce is new at each call: 32 letters and digits at most, as it is
    also what the request goes by at Alipay."""
    path, body = _PATHS[type(biz)], msgspec.json.encode(biz)
    auth = f"app_id={at.account},nonce={nonce},timestamp={timestamp_ms}"
    sign = rsa2.sign(at.key, _asked_text(auth, "POST", path, body))
    headers = {**_JSON, "accept": "application/json", "alipay-request-id": nonce}
    headers["authorization"] = f"{SCHEME} {auth},sign={sign}"
    request = request_of("POST", at.url(path), headers, body)

    def decode(status: int, headers: httpx.Headers, body: bytes) -> Reply | Refusal:
        told = _answer(at, status, headers, body)
        if told.out_trade_no and biz.out_trade_no not in ("", told.out_trade_no):
            raise Malformed("the answer is of another trade")
        return told

    return Call(NAME, request, decode)


def submit(at: Endpoint, qr_code: str, buyer_id: str) -> Call[Reply | Refusal]:
    """The user's client scans a QR code and pays."""
    query = urlencode({"buyer_id": buyer_id}).encode()
    url = at.url(CLIENT_PATH).copy_with(query=query)
    request = httpx.Request("POST", url, headers=_TEXT, content=qr_code.encode())
    return Call(NAME, request, lambda status, headers, body: _answer(at, status, headers, body))


def fetch_keys(base_url: str) -> Call[Keys]:
    request = httpx.Request("GET", httpx.URL(base_url + KEYS_PATH))
    return Call(NAME, request, lambda status, _, body: decode_keys(status, body))


# Server side


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that a known app has signed, and that is whole."""

    app_id: str
    biz: Biz


@dataclass(frozen=True, slots=True)
class Submitted:
    """What a user's client pays: the text of a QR code."""

    buyer_id: str
    qr_code: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a request is not carried out. What is wrong with an envelope is told unsigned."""

    status: int
    code: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class KeysRequest:
    """Asks for a mock's credentials."""


@dataclass(frozen=True, slots=True)
class NoSuchPath:
    """Asks for something that is not on this wire."""


def decode_request(
    request: httpx.Request, apps: Mapping[str, str], now_ms: int
) -> Asked | Submitted | Problem | KeysRequest | NoSuchPath:
    """What is asked, or why that cannot be done; `apps` are the public keys of known ones."""
    path, post = request.url.path, request.method == "POST"
    if path.endswith(KEYS_PATH) and request.method == "GET":
        return KeysRequest()
    if path.endswith(CLIENT_PATH) and post:
        buyer_id = params_of(request.url.query).get("buyer_id", "")
        return Submitted(buyer_id, request.content.decode("utf-8", "replace").strip())
    found = _METHOD.search(path)
    if found is None or found[0] not in METHODS or not post:
        return NoSuchPath()
    return _asked(request, found[0], apps, now_ms)


def encode_reply(
    reply: Reply | Refusal | Problem, private_pem: str, timestamp_ms: int, nonce: str
) -> tuple[int, dict[str, str], bytes]:
    """The answer, signed unless the request was none that a known app has signed."""
    if isinstance(reply, Problem):
        told = _Error(reply.code, reply.message or reply.code)
        return reply.status, _JSON, msgspec.json.encode(told)
    if isinstance(reply, Refusal):
        status, body = 400, msgspec.json.encode(_Error(reply.sub_code, reply.sub_msg))
    else:
        words = msgspec.to_builtins(reply)
        status, body = 200, msgspec.json.encode({k: words[k] for k in words if k not in _OF_V2})
    text = _told_text(str(timestamp_ms), nonce, body)
    signed = {
        "alipay-timestamp": str(timestamp_ms),
        "alipay-nonce": nonce,
        "alipay-signature": rsa2.sign(private_pem, text),
    }
    return status, {**_JSON, **signed}, body


def turned_away(why: Literal["rate_limited", "overloaded"]) -> Problem:
    """What a server answers that takes no call in now."""
    if why == "rate_limited":
        return Problem(429, "app-call-limited")
    return Problem(500, "unknow-error")


def encode_no_such_path() -> tuple[int, dict[str, str], bytes]:
    return 404, {"content-type": "text/plain"}, b"no such path"


# What both sides sign


def _asked_text(auth: str, method: str, path: str, body: bytes) -> bytes:
    return f"{auth}\n{method}\n{path}\n".encode() + body + b"\n"


def _told_text(timestamp: str, nonce: str, body: bytes) -> bytes:
    return f"{timestamp}\n{nonce}\n".encode() + body + b"\n"


# Answers


class _Error(msgspec.Struct):
    code: str
    message: str = ""


def _answer(at: Endpoint, status: int, headers: httpx.Headers, body: bytes) -> Reply | Refusal:
    """What the answer says, as these very bytes. A good one must be signed; a refusal need not be,
    but a signature that it has must be right. A fault need not either: it is believed no further
    than that the call failed."""
    if status >= 400:
        told = _refusal(status, body)
        if "alipay-signature" in headers:
            _believe(at, headers, body)
        return told
    if status == 202:
        raise Overloaded("202: taken, and not carried out yet")
    if status != 200:
        raise fault_of(status)
    _believe(at, headers, body)
    words = parse(body, dict[str, object])
    try:
        return msgspec.convert({**words, "code": "10000", "msg": "Success"}, Reply)
    except msgspec.ValidationError as error:
        raise Malformed(f"not a Reply: {error}", what="JSON of another shape") from None


def _believe(at: Endpoint, headers: httpx.Headers, body: bytes) -> None:
    timestamp, nonce = headers.get("alipay-timestamp", ""), headers.get("alipay-nonce", "")
    signature = headers.get("alipay-signature", "")
    if not rsa2.verify(at.peer_key, _told_text(timestamp, nonce, body), signature):
        raise Malformed("the answer is not signed by the provider")


def _refusal(status: int, body: bytes) -> Refusal:
    """A refusal by the rules of business; whatever else it is is raised."""
    try:
        told = msgspec.json.decode(body, type=_Error)
    except UNREADABLE:
        raise fault_of(status) from None
    if fault := _fault(status, told.code):
        text = f"{status} {code_name(told.code)}"
        if told.code.removeprefix("isv.") == "invalid-timestamp":
            raise fault(f"{text}: {_FAR}", status=status, code=told.code, what=_FAR)
        raise fault(text, status=status, code=told.code)
    return refusal(told.code, told.message)


def _fault(status: int, code: str) -> type[ProviderFault] | None:
    """By the code before the status: documents and probes of the two do not agree. A code may have
    the prefix that it has in v2."""
    name = code.removeprefix("isv.").removeprefix("aop.")
    if status == 429 or name.endswith("call-limited"):
        return RateLimited
    if status >= 500 or name.endswith("SYSTEM_ERROR") or "unknow" in name:
        return Overloaded
    if code.startswith("ACQ."):
        return None
    if status in (401, 403) or name in _OUR_KEY or "permissions" in name:
        return Unauthorized
    return Malformed


_FAR = "our clock and the provider's are ten minutes apart or more"
"""The only fault that a time stamp of ours can have."""
_OUR_KEY = (
    "invalid-app-id",
    "invalid-signature",
    "missing-signature",
    "missing-signature-config",
    "missing-signature-key",
    "app-cert-expired",
    "not-online-app",
    "invalid-auth-token",
    "invalid-app-auth-token",
    "self-invoke-forbidden",
)


# Requests


def _asked(
    request: httpx.Request, path: str, apps: Mapping[str, str], now_ms: int
) -> Asked | Problem:
    """The app is looked up before its signature is, as the real gateway does."""
    auth, parts = _authorization(request.headers.get("authorization", ""))
    if not _is_ms(parts.get("timestamp", "")):
        return Problem(400, "invalid-timestamp" if parts.get("timestamp") else "missing-timestamp")
    app_id = parts.get("app_id", "")
    if app_id not in apps:
        return Problem(400, "invalid-app-id" if app_id else "missing-app-id")
    if not parts.get("nonce") or not parts.get("sign"):
        return Problem(400, "missing-signature" if parts.get("nonce") else "missing-nonce")
    body = request.content
    if not rsa2.verify(apps[app_id], _asked_text(auth, "POST", path, body), parts["sign"]):
        return Problem(400, "invalid-signature")
    if abs(int(parts["timestamp"]) - now_ms) > SKEW_MS:
        return Problem(400, "invalid-timestamp", "it is more than ten minutes away")
    try:
        biz = msgspec.json.decode(body or b"{}", type=METHODS[path])
    except msgspec.ValidationError as error:
        return Problem(400, "ACQ.INVALID_PARAMETER", str(error))
    except UNREADABLE:
        return Problem(400, "illegal-json")
    fault = check(biz)
    return Problem(400, "ACQ.INVALID_PARAMETER", fault) if fault else Asked(app_id, biz)


def _authorization(header: str) -> tuple[str, dict[str, str]]:
    """What was signed of it, and its parts. The signature comes last; the others in any order."""
    scheme, _, rest = header.partition(" ")
    if scheme != SCHEME:
        return "", {}
    auth, _, sign = rest.partition(",sign=")
    pairs = (part.partition("=") for part in auth.split(","))
    return auth, {**{name: value for name, _, value in pairs}, "sign": sign}


def _is_ms(text: str) -> bool:
    return re.fullmatch("[0-9]{13}", text) is not None


_METHOD = re.compile(r"/v3/alipay/trade/[a-z/]+\Z")
_OF_V2 = ("code", "msg")
"""What only v2 writes into an answer."""
_JSON = {"content-type": "application/json;charset=utf-8"}
_TEXT = {"content-type": "text/plain;charset=utf-8"}
