"""The wire of the article's "WeChat Pay AI API"; it plays neither client nor server.

No such public API exists. The article claims: OAuth session tokens bound to a WeChat ID, valid for
15 minutes; transaction data sealed with an RSA public key that rotates every 30 days; a JSON-RPC
envelope that is not the standard one; the merchant order number as idempotency key. Every name and
path below beyond those claims is assumed, ours.

    POST /oauth/session   who pays, and how            -> a session token, and one to refresh it
    POST /oauth/refresh   a refresh token, used once   -> another session of that user and method
    GET  /keys/current                                 -> the RSA public key to seal with
    POST /rpc             pay.authorize|query|void|refund, sealed  -> a receipt, or a refusal
"""

import base64
from dataclasses import dataclass
from typing import Literal, get_args

import httpx
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from harness.providers.call import (
    UNREADABLE,
    Call,
    Endpoint,
    Malformed,
    ProviderFault,
    fault_of,
    hold_to_order,
    parse,
    request_of,
)

NAME = "wechat-ai"
SESSION_PATH, REFRESH_PATH = "/oauth/session", "/oauth/refresh"
KEY_PATH, RPC_PATH = "/keys/current", "/rpc"
ENVELOPE_VERSION = "0.9"
KEY_BITS = 2048
SEAL_LIMIT = 190
"""Bytes that OAEP with SHA-256 leaves of a 2048-bit block: 256 - 2*32 - 2 (RFC 8017, 7.1.1)."""

Operation = Literal["pay.authorize", "pay.query", "pay.void", "pay.refund"]
State = Literal["paid", "declined", "voided", "refunded"]
RefusalCode = Literal[
    "TOKEN_EXPIRED",
    "TOKEN_UNKNOWN",
    "TOKEN_MISMATCH",
    "KEY_RETIRED",
    "BAD_SEAL",
    "DUPLICATE_ORDER",
    "DECLINED",
    "ORDER_NOT_FOUND",
    "ORDER_CLOSED",
    "REFUND_EXCEEDS_PAID",
    "BILL_EXCEEDED",
    "APP_UNKNOWN",
    "MALFORMED_REQUEST",
]


class SessionRequest(msgspec.Struct, frozen=True, gc=False):
    """A session for this user, paying by this method."""

    app_secret: str
    openid: str
    method: str

    def __repr__(self) -> str:
        return f"SessionRequest({self.openid}, {self.method})"


class RefreshRequest(msgspec.Struct, frozen=True, gc=False):
    """Another session in place of the one that this token came with. It is good for one use."""

    refresh_token: str

    def __repr__(self) -> str:
        return "RefreshRequest()"


class Session(msgspec.Struct, frozen=True, gc=False):
    session_token: str
    openid: str
    method: str
    expires_in_s: float
    refresh_token: str

    def __repr__(self) -> str:
        return f"Session({self.openid}, {self.method}, for {self.expires_in_s:g} s)"


class KeyRequest(msgspec.Struct, frozen=True):
    """The current public key; it needs no credentials."""


class PublicKey(msgspec.Struct, frozen=True, gc=False):
    """`expires_in_s`: until this key is no longer accepted, its overlap included."""

    key_id: str
    public_key_pem: str
    expires_in_s: float


class Order(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """The sealed part of every transaction. Its names are short so that it fits one RSA block.

    `amount` is in minor units; for a refund it is the amount to give back under `refund_no`. A leg
    of a shared bill names the bill, and what all its legs add up to.
    """

    order_no: str
    openid: str
    method: str
    amount: int = 0
    currency: str = "CNY"
    payee: str = ""
    refund_no: str = ""
    bill_no: str = ""
    bill_total: int = 0


class Transaction(msgspec.Struct, frozen=True, gc=False):
    """An envelope as the server meets it, its seal still closed."""

    operation: Operation
    session_token: str
    key_id: str
    sealed: bytes
    sequence: str

    def __repr__(self) -> str:
        return f"Transaction({self.operation}, {self.sequence})"


Asked = SessionRequest | RefreshRequest | KeyRequest | Transaction


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """Where an order stands after a transaction. `fee_minor` is what the merchant pays for it."""

    order_no: str
    transaction_id: str
    state: State
    amount_minor: int
    currency: str
    fee_minor: int
    refunded_minor: int = 0


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """The provider's rules forbid it. This is an answer, not a fault."""

    code: RefusalCode
    message: str


@dataclass(frozen=True, slots=True)
class SealingKey:
    """A fetched public key, parsed once."""

    key_id: str
    public_key: rsa.RSAPublicKey
    expires_in_s: float


# Client side


def open_session(at: Endpoint, openid: str, method: str) -> Call[Session | Refusal]:
    body = _encode(SessionRequest(at.key, openid, method))
    request = request_of("POST", at.url(SESSION_PATH), _JSON, body)
    return Call(NAME, request, _decode_session)


def refresh(at: Endpoint, refresh_token: str) -> Call[Session | Refusal]:
    body = _encode(RefreshRequest(refresh_token))
    request = request_of("POST", at.url(REFRESH_PATH), _JSON, body)
    return Call(NAME, request, _decode_session)


def fetch_key(at: Endpoint) -> Call[SealingKey]:
    request = request_of("GET", at.url(KEY_PATH), _ACCEPT)
    return Call(NAME, request, _decode_key)


def transact(
    at: Endpoint, operation: Operation, session_token: str, key: SealingKey, order: Order
) -> Call[Receipt | Refusal]:
    """Authorize, query, void or refund the order. Raises ValueError when it does not fit the
    seal, which is the caller's mistake."""
    envelope = _Envelope(
        ENVELOPE_VERSION,
        operation,
        order.refund_no or order.order_no,
        _Auth(session_token),
        _Seal(key.key_id, base64.b64encode(seal(key.public_key, order)).decode()),
    )
    body = _encode(envelope)
    request = request_of("POST", at.url(RPC_PATH), _JSON, body)
    return Call(
        NAME, request, lambda status, _, body: _decode_receipt(order.order_no, status, body)
    )


def seal(public_key: rsa.RSAPublicKey, order: Order) -> bytes:
    """RSAES-OAEP with SHA-256 and MGF1-SHA-256. The padding is fresh each time, as it must be."""
    plain = _encode(order)
    if len(plain) > SEAL_LIMIT:
        raise ValueError(f"an order of {len(plain)} bytes does not fit the seal of {SEAL_LIMIT}")
    return public_key.encrypt(plain, _OAEP)


# Server side


def decode_request(request: httpx.Request) -> Asked | Refusal:
    """What the client wants, or the refusal that a malformed request earns."""
    path = request.url.path
    if path.endswith(KEY_PATH) and request.method == "GET":
        return KeyRequest()
    try:
        if path.endswith(SESSION_PATH) and request.method == "POST":
            return _decode_opening(request.content)
        if path.endswith(REFRESH_PATH) and request.method == "POST":
            return _decode_refresh(request.content)
        if path.endswith(RPC_PATH) and request.method == "POST":
            return _transaction(_decode_envelope(request.content))
    except UNREADABLE as error:
        return Refusal("MALFORMED_REQUEST", str(error))
    return Refusal("MALFORMED_REQUEST", f"no such call: {request.method} {path}")


def open_seal(private_key: rsa.RSAPrivateKey, sealed: bytes) -> Order | Refusal:
    try:
        return _decode_order(private_key.decrypt(sealed, _OAEP))
    except ValueError:
        # One message for every cause: an answer that tells them apart is a padding oracle.
        return Refusal("BAD_SEAL", "the sealed part cannot be opened")


def encode_reply(
    reply: Session | PublicKey | Receipt | Refusal, *, sequence: str = ""
) -> tuple[int, bytes]:
    """Status and body. Transactions answer 200 whatever happened, as the envelope carries it."""
    if isinstance(reply, Receipt):
        return 200, _encode(_Reply(ENVELOPE_VERSION, sequence, "OK", "", reply))
    if not isinstance(reply, Refusal):
        return 200, _encode(reply)
    status = {"MALFORMED_REQUEST": 400, "APP_UNKNOWN": 401}.get(reply.code, 200)
    return status, _encode(_Reply(ENVELOPE_VERSION, sequence, reply.code, reply.message))


def encode_turned(
    why: Literal["rate_limited", "overloaded"],
) -> tuple[int, dict[str, str], bytes]:
    """What a server answers that takes no call in now: the article says nothing of it, assumed."""
    status, text = (429, b"too many calls") if why == "rate_limited" else (503, b"busy")
    return status, {"content-type": "text/plain"}, text


def public_pem(key: rsa.RSAPublicKey) -> str:
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


# The shapes on the wire


class _Auth(msgspec.Struct, gc=False):
    session_token: str


class _Seal(msgspec.Struct, gc=False):
    key_id: str
    data: str
    alg: Literal["RSA-OAEP-256"] = "RSA-OAEP-256"


class _Envelope(msgspec.Struct, gc=False):
    ver: str
    call: Operation
    seq: str
    auth: _Auth
    seal: _Seal


class _Verdict(msgspec.Struct, gc=False):
    """What tells a refusal, which comes in an envelope, from a session, which does not."""

    ret: str = ""


class _Turned(msgspec.Struct, gc=False):
    ret: str = ""
    code: str = ""


class _Reply(msgspec.Struct, omit_defaults=True, gc=False):
    ver: str
    seq: str
    ret: str
    msg: str = ""
    data: Receipt | None = None


_encode = msgspec.json.Encoder().encode
_decode_opening = msgspec.json.Decoder(SessionRequest).decode
_decode_refresh = msgspec.json.Decoder(RefreshRequest).decode
_decode_envelope = msgspec.json.Decoder(_Envelope).decode
_decode_order = msgspec.json.Decoder(Order).decode
_JSON = {"content-type": "application/json", "accept": "application/json"}
_ACCEPT = {"accept": "application/json"}
_OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
_REFUSALS = frozenset(get_args(RefusalCode))


def _transaction(envelope: _Envelope) -> Transaction:
    sealed = base64.b64decode(envelope.seal.data, validate=True)
    return Transaction(
        envelope.call, envelope.auth.session_token, envelope.seal.key_id, sealed, envelope.seq
    )


def _decode_session(status: int, headers: httpx.Headers, body: bytes) -> Session | Refusal:
    if status == 200 and not parse(body, _Verdict).ret:
        return parse(body, Session)
    return _refusal(status, body)


def _decode_key(status: int, headers: httpx.Headers, body: bytes) -> SealingKey:
    if status != 200:
        raise _fault(status, body)
    told = parse(body, PublicKey)
    try:
        key = serialization.load_pem_public_key(told.public_key_pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise Malformed("the public key is not PEM") from None
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < KEY_BITS:
        raise Malformed(f"the public key is not RSA of {KEY_BITS} bits")
    return SealingKey(told.key_id, key, told.expires_in_s)


def _decode_receipt(order_no: str, status: int, body: bytes) -> Receipt | Refusal:
    if status != 200:
        return _refusal(status, body)
    reply = parse(body, _Reply)
    if reply.ret != "OK":
        return _refusal(status, body)
    if reply.data is None:
        raise Malformed("an OK without data")
    hold_to_order(order_no, reply.data.order_no)
    return reply.data


def _refusal(status: int, body: bytes) -> Refusal:
    if status not in (200, 400, 401):
        raise _fault(status, body)
    try:
        reply = parse(body, _Reply, status)
    except Malformed:
        if status == 401:
            raise _fault(status, body) from None  # Of whoever stands before the provider.
        raise
    if reply.ret not in _REFUSALS:
        told = f"unknown refusal {reply.ret!r}"
        raise Malformed(told, status=status, code=reply.ret, what="an unknown refusal")
    return msgspec.convert({"code": reply.ret, "message": reply.msg}, Refusal)


def _fault(status: int, body: bytes) -> ProviderFault:
    """Its envelope names the cause by `ret`, and WeChat Pay's own gateway by `code`."""
    try:
        told = parse(body, _Turned)
    except Malformed:
        told = _Turned()
    return fault_of(status, str(status), told.ret or told.code)
