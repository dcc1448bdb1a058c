"""The wire of WeChat Pay's APIv3 for native payments; it plays neither client nor server.

Everything is signed, both ways: signing.py has the rules and where they are from. The words of
orders are in orders.py, the notices in notices.py.

    POST /v3/pay/transactions/native                       -> 200 code_url, for a code to scan
    GET  /v3/pay/transactions/out-trade-no/{no}?mchid=     -> 200 where the order stands
    GET  /v3/pay/transactions/id/{transaction_id}?mchid=   -> 200 the same
    POST /v3/pay/transactions/out-trade-no/{no}/close      -> 204 also when it is closed already
    POST /v3/refund/domestic/refunds                       -> 200 taken in, or made
    GET  /v3/refund/domestic/refunds/{out_refund_no}       -> 200 where the refund stands
    GET  /v3/certificates                                  -> 200 WeChat's certificates, sealed

WeChat signs with a certificate that has a serial number, or with a public key that has an id, which
begins with PUB_KEY_ID_: `Endpoint.peer_key_id` is either, and every request asks for it. A good
answer has to be signed with it. An error need not be, as in WeChat's own SDKs, but if it is, then
rightly.

Ours, as no public wire has them, are what happens inside the user's WeChat, and a way for strangers
to get a mock's credentials:

    POST /client/pay   the text of a code; the query says who pays    -> 200 where the order stands
    GET  /_keys        -> all that a client needs

Not modelled: fields that are encrypted, combined orders, profit sharing, bills.
"""

from typing import Literal, TypeVar, get_args
from urllib.parse import quote, urlencode

import httpx
import msgspec

from harness.providers.call import (
    UNREADABLE,
    Call,
    Endpoint,
    Malformed,
    RateLimited,
    Unauthorized,
    fault_of,
    parse,
    request_of,
)
from harness.providers.wechatpay.orders import (
    NOT_OURS,
    STATUSES,
    TOO_OFTEN,
    Close,
    NewOrder,
    NewRefund,
    Order,
    Ordered,
    Problem,
    Refunded,
    Refusal,
    RefusalCode,
)
from harness.providers.wechatpay.reading import (
    CERTIFICATES_PATH,
    CLIENT_PATH,
    KEYS_PATH,
    NATIVE_PATH,
    ORDER_PATH,
    REFUNDS_PATH,
    Refused,
)
from harness.providers.wechatpay.signing import (
    SERIAL_HEADER,
    Sealed,
    Signer,
    Stamp,
    authorization,
    doubt,
    is_far,
    is_signed,
    seal_headers,
    serial_of,
    unseal,
)

NAME = "wechatpay"
HOSTS = ("api.mch.weixin.qq.com", "api2.mch.weixin.qq.com")

T = TypeVar("T")
Closed = Literal["closed"]
"""Nobody can pay the order any more."""


class Keys(msgspec.Struct, frozen=True):
    """A mock's credentials. They open nothing but a mock."""

    mchid: str
    appid: str
    merchant_serial: str
    merchant_private_key: str
    public_key_id: str
    public_key: str
    apiv3_key: str

    def __repr__(self) -> str:
        return f"Keys({self.mchid})"


# Client side


def order(at: Endpoint, asked: NewOrder, stamp: Stamp) -> Call[Ordered | Refusal]:
    request = _signed(at, "POST", NATIVE_PATH, stamp, msgspec.json.encode(asked))
    return Call(NAME, request, lambda *answer: _told(at, stamp, Ordered, *answer))


def query(at: Endpoint, out_trade_no: str, stamp: Stamp) -> Call[Order | Refusal]:
    target = ORDER_PATH + quote(out_trade_no, safe="") + "?" + urlencode({"mchid": at.account})

    def decode(status: int, headers: httpx.Headers, body: bytes) -> Order | Refusal:
        told = _told(at, stamp, Order, status, headers, body)
        if isinstance(told, Order) and told.out_trade_no != out_trade_no:
            raise Malformed("the answer is of another order")
        return told

    return Call(NAME, _signed(at, "GET", target, stamp), decode)


def close(at: Endpoint, out_trade_no: str, stamp: Stamp) -> Call[Closed | Refusal]:
    target = f"{ORDER_PATH}{quote(out_trade_no, safe='')}/close"
    request = _signed(at, "POST", target, stamp, msgspec.json.encode(Close(at.account)))
    return Call(NAME, request, lambda *answer: _closed(at, stamp, *answer))


def refund(at: Endpoint, asked: NewRefund, stamp: Stamp) -> Call[Refunded | Refusal]:
    request = _signed(at, "POST", REFUNDS_PATH, stamp, msgspec.json.encode(asked))
    return _of_refund(at, asked.out_refund_no, stamp, request)


def query_refund(at: Endpoint, out_refund_no: str, stamp: Stamp) -> Call[Refunded | Refusal]:
    target = f"{REFUNDS_PATH}/{quote(out_refund_no, safe='')}"
    return _of_refund(at, out_refund_no, stamp, _signed(at, "GET", target, stamp))


def certificates(at: Endpoint, apiv3_key: str, stamp: Stamp) -> Call[dict[str, str]]:
    """WeChat's certificates that are good now, in PEM by serial number. They are believed because
    they were sealed with the key that only the merchant and WeChat have."""
    request = _signed(at, "GET", CERTIFICATES_PATH, stamp)
    return Call(NAME, request, lambda *answer: _certificates(at, apiv3_key, stamp, *answer))


def scan(at: Endpoint, code: str, openid: str, stamp: Stamp) -> Call[Order | Refusal]:
    """The user's WeChat reads a code and pays: of mocks only."""
    url = at.url(CLIENT_PATH).copy_with(query=urlencode({"openid": openid}).encode())
    headers = {"content-type": "text/plain", SERIAL_HEADER: at.peer_key_id}
    request = httpx.Request("POST", url, headers=headers, content=code.encode())
    return Call(NAME, request, lambda *answer: _told(at, stamp, Order, *answer))


def fetch_keys(base_url: str) -> Call[Keys]:
    request = httpx.Request("GET", httpx.URL(base_url + KEYS_PATH))
    return Call(NAME, request, lambda status, _, body: _keys(status, body))


def endpoint_of(base_url: str, keys: Keys) -> Endpoint:
    """Where a client finds the mock that has these keys."""
    return Endpoint(
        base_url,
        keys.merchant_private_key,
        account=keys.mchid,
        peer_key=keys.public_key,
        key_id=keys.merchant_serial,
        peer_key_id=keys.public_key_id,
        app=keys.appid,
    )


# Server side


class Certificate(msgspec.Struct, frozen=True):
    serial_no: str
    effective_time: str
    expire_time: str
    encrypt_certificate: Sealed


class CertificateList(msgspec.Struct, frozen=True):
    data: list[Certificate]


Reply = Ordered | Order | Closed | Refunded | CertificateList | Refused


def encode_reply(reply: Reply, signer: Signer, stamp: Stamp) -> tuple[int, dict[str, str], bytes]:
    """Every answer is signed, an error too."""
    if isinstance(reply, Refused):
        status, body = STATUSES[reply.code], msgspec.json.encode(Problem(reply.code, reply.message))
    elif reply == "closed":
        status, body = 204, b""
    else:
        status, body = 200, msgspec.json.encode(reply)
    headers = {} if status == 204 else {"content-type": _JSON}
    return status, {**headers, **seal_headers(signer, stamp, body), "Request-Id": stamp.nonce}, body


def encode_keys(keys: Keys) -> tuple[int, dict[str, str], bytes]:
    return 200, {"content-type": _JSON}, msgspec.json.encode(keys)


def encode_no_such_path() -> tuple[int, dict[str, str], bytes]:
    return 404, {"content-type": "text/plain"}, b"no such path"


# The wire below

_JSON = "application/json"
_FAR = "our clock and the provider's are five minutes apart or more"
_REFUSALS = frozenset(get_args(RefusalCode))


def _signed(
    at: Endpoint, method: str, target: str, stamp: Stamp, body: bytes = b""
) -> httpx.Request:
    signer = Signer(at.key_id, at.key)
    headers = {
        "authorization": authorization(signer, at.account, method, target, stamp, body),
        "accept": _JSON,
        "content-type": _JSON,
        # WeChat turns away who does not say what it is.
        "user-agent": "tollbench",
        SERIAL_HEADER: at.peer_key_id,
    }
    # Not by `at.url`, whose cache would keep the paths of every order for ever.
    return request_of(method, httpx.URL(at.base_url + target), headers, body or None)


def _told(
    at: Endpoint, stamp: Stamp, shape: type[T], status: int, headers: httpx.Headers, body: bytes
) -> T | Refusal:
    if status != 200:
        return _refusal(at, stamp, status, headers, body)
    _believe(at, stamp, headers, body)
    return parse(body, shape)


def _closed(
    at: Endpoint, stamp: Stamp, status: int, headers: httpx.Headers, body: bytes
) -> Closed | Refusal:
    if status != 204:
        return _refusal(at, stamp, status, headers, body)
    _believe(at, stamp, headers, body)
    return "closed"


def _of_refund(
    at: Endpoint, out_refund_no: str, stamp: Stamp, request: httpx.Request
) -> Call[Refunded | Refusal]:
    def decode(status: int, headers: httpx.Headers, body: bytes) -> Refunded | Refusal:
        told = _told(at, stamp, Refunded, status, headers, body)
        if isinstance(told, Refunded) and told.out_refund_no != out_refund_no:
            raise Malformed("the answer is of another refund")
        return told

    return Call(NAME, request, decode)


def _believe(at: Endpoint, stamp: Stamp, headers: httpx.Headers, body: bytes) -> None:
    """Nobody waits long enough for the time of sending to be far from that of the answer."""
    if why := doubt(headers, body, {at.peer_key_id: at.peer_key}, stamp.now_s):
        raise Malformed(f"the answer is not WeChat's, as {why}")


def _refusal(
    at: Endpoint, stamp: Stamp, status: int, headers: httpx.Headers, body: bytes
) -> Refusal:
    """Unless it is a fault, which is believed no further than that the call failed."""
    try:
        problem = msgspec.json.decode(body, type=Problem)
    except UNREADABLE:
        raise fault_of(status, str(status)) from None
    code, told = problem.known_code, f"{status} {problem.code}"
    if code == "SIGN_ERROR" and is_far(headers, stamp.now_s):
        raise Unauthorized(f"{told}: {_FAR}", status=status, code=code, what=_FAR)
    if code in TOO_OFTEN:
        raise RateLimited(told, status=status, code=code)
    if code in NOT_OURS:
        raise Unauthorized(told, status=status, code=code)
    if code not in _REFUSALS or not 400 <= status < 500 or status in (401, 429):
        raise fault_of(status, code=problem.code)
    if is_signed(headers):
        _believe(at, stamp, headers, body)
    return msgspec.convert({"code": code, "message": problem.message}, Refusal)


def _certificates(
    at: Endpoint, apiv3_key: str, stamp: Stamp, status: int, headers: httpx.Headers, body: bytes
) -> dict[str, str]:
    if status != 200:
        raise fault_of(status, code=_refusal(at, stamp, status, headers, body).code)
    opened: dict[str, str] = {}
    for one in parse(body, CertificateList).data:
        pem = (unseal(apiv3_key, one.encrypt_certificate) or b"").decode("ascii", "replace")
        if not pem or _serial(pem) != one.serial_no.lstrip("0"):
            raise Malformed("a certificate is not sealed for this merchant")
        opened[one.serial_no] = pem
    if why := doubt(headers, body, {at.peer_key_id: at.peer_key, **opened}, stamp.now_s):
        raise Malformed(f"the answer is not WeChat's, as {why}")
    return opened


def _serial(pem: str) -> str:
    try:
        return serial_of(pem)
    except ValueError:
        return ""


def _keys(status: int, body: bytes) -> Keys:
    if status != 200:
        raise fault_of(status, str(status))
    return parse(body, Keys)
