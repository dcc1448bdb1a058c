"""The wire of UnionPay's upcoming AI gateway, as the expected open API standard would have it.

It plays neither client nor server. Nothing of such a gateway is published, so all of it is assumed,
ours, put together from standards: OAuth 2 client credentials (RFC 6749, 2.3.1, 4.4 and 5), bearer
tokens (RFC 6750), the Idempotency-Key header (draft-ietf-httpapi-idempotency-key-header-07) and
problem details (RFC 9457). As in UnionPay's existing gateway, every call names the merchant's own
order number. `GET /openapi.json` describes it whole.

    POST /oauth2/token                       -> 200 an access token for the whole app
    POST /v1/payments                        -> 201 the payment, declined or not
    GET  /v1/payments/{order_no}             -> 200 where it stands
    POST /v1/payments/{order_no}/cancel      -> 200 undone; an unknown number is closed for good
    POST /v1/payments/{order_no}/refunds     -> 201 the payment, with what is given back in all
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Literal, get_args
from urllib.parse import parse_qsl, quote_plus, unquote_plus, urlencode

import httpx
import msgspec
from msgspec import Meta

from harness.providers.call import UNREADABLE, Call, Endpoint, Malformed, parse
from harness.providers.openapi import FORM, JSON, Operation, Parameter, document, read_json
from harness.providers.problem import (
    Answer,
    Objection,
    Problem,
    decode_problem,
    encode_problem,
    fault,
    retry_after,
)

NAME = "unionpay-ai"
CLIENT_ID = "mock-client"
"""Of an endpoint that names no account."""
TOKEN_PATH, PAYMENTS_PATH = "/oauth2/token", "/v1/payments"
KEY_HEADER = "Idempotency-Key"
GRANT = "client_credentials"
NO_CURRENCY = "XXX"
"""ISO 4217's code for none: of a number that was cancelled before any payment came."""

Number = Annotated[str, Meta(pattern="^[0-9A-Za-z_-]+$", min_length=1, max_length=64)]
Positive = Annotated[int, Meta(ge=1, le=1_000_000_000_000)]
Booked = Annotated[int, Meta(ge=0)]
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$", max_length=3)]
Text = Annotated[str, Meta(min_length=1, max_length=128)]
Key = Annotated[str, Meta(pattern="^[!-~]+$", min_length=1, max_length=255)]

State = Literal["succeeded", "declined", "canceled", "refunded"]
TokenError = Literal["invalid_request", "invalid_client", "unsupported_grant_type"]
RefusalKind = Literal[
    "invalid-token",
    "order-not-found",
    "order-closed",
    "number-reused",
    "exceeds-payment",
    "other-currency",
    "key-in-use",
    "key-reused",
]
ProblemKind = Literal[
    RefusalKind,
    "no-token",
    "no-idempotency-key",
    "not-json",
    "invalid-fields",
    "no-such-path",
    "method-not-allowed",
    "unsupported-media-type",
    "rate-limited",
    "overloaded",
]


class TokenForm(msgspec.Struct, frozen=True):
    """Asks for an access token. The client names itself here or by Basic authentication, not by
    both."""

    grant_type: Literal["client_credentials"]
    client_id: str = ""
    client_secret: str = ""


class Token(msgspec.Struct, frozen=True):
    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int | float

    def __repr__(self) -> str:
        return f"Token(for {self.expires_in} s)"


class TokenRefusal(msgspec.Struct, frozen=True):
    error: TokenError
    error_description: str


class Money(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An amount in minor units."""

    value: Positive
    currency: Currency


class NewPayment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be paid, and by whom."""

    order_no: Number
    payer: Text
    method: Text
    payee: Text
    amount: Money

    def __post_init__(self) -> None:
        _end_here(self.order_no)


class NewRefund(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the payment to give back, or all of it, under a number of its own."""

    refund_no: Number
    amount: Money

    def __post_init__(self) -> None:
        _end_here(self.refund_no)


class Payment(msgspec.Struct, frozen=True):
    """Where an order stands, all in minor units. `fee` is what the merchant pays for it."""

    order_no: Number
    status: State
    currency: Currency
    amount: Booked
    refunded: Booked
    fee: Booked


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks for a token, and by which grant."""

    client_id: str
    secret: str
    grant: str

    def __repr__(self) -> str:
        return f"Client({self.client_id}, {self.grant})"


@dataclass(frozen=True, slots=True)
class Pay:
    key: str
    payment: NewPayment


@dataclass(frozen=True, slots=True)
class RefundOf:
    key: str
    order_no: str
    refund: NewRefund


@dataclass(frozen=True, slots=True)
class Query:
    order_no: str


@dataclass(frozen=True, slots=True)
class Cancel:
    order_no: str


@dataclass(frozen=True, slots=True)
class Describe:
    """The description of this interface; it needs no token."""


Asked = Pay | RefundOf | Query | Cancel


class Refusal(msgspec.Struct, frozen=True):
    """The provider's rules forbid it. This is an answer, not a fault."""

    kind: RefusalKind
    detail: str


# Client side


def ask_token(at: Endpoint) -> Call[Token]:
    """Whoever the provider does not know as its client gets Unauthorized from this call."""
    # RFC 6749, 2.3.1: both are form-encoded before they are joined.
    pair = f"{quote_plus(at.account or CLIENT_ID)}:{quote_plus(at.key)}"
    headers = {
        "authorization": "Basic " + base64.b64encode(pair.encode()).decode(),
        "content-type": FORM,
        "accept": JSON,
    }
    body = urlencode({"grant_type": GRANT}).encode()
    request = httpx.Request("POST", at.url(TOKEN_PATH), headers=headers, content=body)
    return Call(NAME, request, _decode_token)


def pay(at: Endpoint, token: str, asked: Pay) -> Call[Payment | Refusal]:
    return _post(at, token, PAYMENTS_PATH, asked.payment, asked.key)


def query(at: Endpoint, token: str, order_no: str) -> Call[Payment | Refusal]:
    url = f"{at.base_url}{PAYMENTS_PATH}/{order_no}"
    return Call(NAME, httpx.Request("GET", url, headers=_headers(token)), _decode)


def cancel(at: Endpoint, token: str, order_no: str) -> Call[Payment | Refusal]:
    return _post(at, token, f"{PAYMENTS_PATH}/{order_no}/cancel")


def refund(at: Endpoint, token: str, asked: RefundOf) -> Call[Payment | Refusal]:
    path = f"{PAYMENTS_PATH}/{asked.order_no}/refunds"
    return _post(at, token, path, asked.refund, asked.key)


def _post(
    at: Endpoint, token: str, path: str, body: msgspec.Struct | None = None, key: str = ""
) -> Call[Payment | Refusal]:
    headers = _headers(token)
    if body is not None:
        headers |= {"content-type": JSON, KEY_HEADER: key}
    content = None if body is None else msgspec.json.encode(body)
    request = httpx.Request("POST", at.base_url + path, headers=headers, content=content)
    return Call(NAME, request, _decode)


def _headers(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}", "accept": JSON}


def _decode_token(status: int, headers: httpx.Headers, body: bytes) -> Token:
    if status != 200:
        raise fault(status, body)
    # RFC 6749, 5.1: the type's case does not matter.
    told = parse(body, _Token)
    if told.token_type.lower() != "bearer":
        raise Malformed("the token is no bearer token")
    return Token(told.access_token, "Bearer", told.expires_in)


def _decode(status: int, headers: httpx.Headers, body: bytes) -> Payment | Refusal:
    if status in (200, 201):
        return parse(body, Payment)
    problem = decode_problem(status, body)
    if status in _REFUSAL_STATUSES and problem.kind in _REFUSALS:
        return msgspec.convert({"kind": problem.kind, "detail": problem.detail}, Refusal)
    raise fault(status, body)


class _Token(msgspec.Struct):
    access_token: str
    token_type: str
    expires_in: float


# Server side


def token_of(request: httpx.Request) -> str:
    """The access token that the client sent, "" if none."""
    scheme, _, token = str(request.headers.get("authorization", "")).partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def decode_request(
    request: httpx.Request,
) -> Asked | Client | Describe | TokenRefusal | Objection:
    """What the client wants, or the problem that a malformed request earns."""
    path = _PATH.fullmatch(request.url.path)
    if path is None:
        return objection("no-such-path", request.url.path)
    order_no, act = path["order_no"], path["act"]
    allowed = "GET" if path["description"] or (order_no and not act) else "POST"
    if request.method != allowed:
        return objection("method-not-allowed", f"it takes {allowed}", {"allow": allowed})
    if path["description"]:
        return Describe()
    if path["token"]:
        return _client(request)
    if allowed == "GET":
        return Query(order_no)
    if act == "cancel":
        return Cancel(order_no)
    return _keyed(request, order_no)


def _keyed(request: httpx.Request, order_no: str | None) -> Asked | Objection:
    """What has a body, and a key under which it is done once."""
    key = request.headers.get(KEY_HEADER, "")
    if not _KEY.fullmatch(key):
        return objection("no-idempotency-key", f"{KEY_HEADER} must be 1 to 255 visible characters")
    if _media_type(request) != JSON:
        return objection("unsupported-media-type", f"the body must be {JSON}")
    try:
        body = read_json(request.content)
    except UNREADABLE as error:
        return objection("not-json", str(error))
    try:
        if order_no:
            return RefundOf(key, order_no, msgspec.convert(body, NewRefund))
        return Pay(key, msgspec.convert(body, NewPayment))
    except msgspec.ValidationError as error:
        return objection("invalid-fields", str(error))


def _client(request: httpx.Request) -> Client | TokenRefusal:
    if _media_type(request) != FORM:
        return TokenRefusal("invalid_request", f"the body must be {FORM}")
    try:
        pairs = parse_qsl(request.content.decode(), max_num_fields=100)
    except UNREADABLE:
        return TokenRefusal("invalid_request", "the body is no form")
    form = dict(pairs)
    if len(form) < len(pairs):
        return TokenRefusal("invalid_request", "a parameter was sent twice")
    basic = _basic(request)
    if basic and "client_secret" in form:
        return TokenRefusal("invalid_request", "the client named itself in two ways")
    if "grant_type" not in form:
        return TokenRefusal("invalid_request", "grant_type is missing")
    client_id, secret = basic or (form.get("client_id", ""), form.get("client_secret", ""))
    return Client(client_id, secret, form["grant_type"])


def _basic(request: httpx.Request) -> tuple[str, str] | None:
    scheme, _, text = str(request.headers.get("authorization", "")).partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, _, secret = base64.b64decode(text.strip(), validate=True).decode().partition(":")
    except UNREADABLE:
        return "", ""
    return unquote_plus(client_id), unquote_plus(secret)


def _media_type(request: httpx.Request) -> str:
    content_type = str(request.headers.get("content-type", ""))
    return content_type.partition(";")[0].strip().lower()


def objection(
    kind: ProblemKind, detail: str, headers: Mapping[str, str] | None = None
) -> Objection:
    status, title = _PROBLEMS[kind]
    return Objection(Problem(_PROBLEM_URI + kind, title, status, detail), headers or {})


def unauthorized(token: str) -> Objection:
    """RFC 6750, 3.1: who sent no token is told no error code."""
    challenge = f'Bearer realm="{NAME}"'
    if not token:
        return objection("no-token", "send an access token", {"www-authenticate": challenge})
    challenge += ', error="invalid_token"'
    return objection(
        "invalid-token", "the token is unknown or has expired", {"www-authenticate": challenge}
    )


def turned_away(why: Literal["rate_limited", "overloaded"], retry_after_s: float) -> Objection:
    kind: ProblemKind = "rate-limited" if why == "rate_limited" else "overloaded"
    return objection(kind, "come again later", retry_after(retry_after_s))


def encode_token(reply: Token | TokenRefusal) -> Answer:
    headers = {"content-type": JSON, "cache-control": "no-store"}
    if isinstance(reply, Token):
        return 200, headers, msgspec.json.encode(reply)
    if reply.error != "invalid_client":
        return 400, headers, msgspec.json.encode(reply)
    headers["www-authenticate"] = f'Basic realm="{NAME}"'
    return 401, headers, msgspec.json.encode(reply)


def encode_reply(asked: object, reply: Payment | Objection) -> Answer:
    """A payment and a refund are things that were made: 201, also when they are told again."""
    if isinstance(reply, Objection):
        return encode_problem(reply)
    status = 201 if isinstance(asked, Pay | RefundOf) else 200
    return status, {"content-type": JSON}, msgspec.json.encode(reply)


def encode_description() -> Answer:
    return 200, {"content-type": JSON}, _description()


def _end_here(number: str) -> None:
    # The pattern's $ is the very end to JSON Schema, but Python's also stands before a line end.
    if number.endswith("\n"):
        raise ValueError("a number holds no line end")


_PROBLEM_URI = "https://unionpay-ai.example/problems/"
_PROBLEMS: dict[ProblemKind, tuple[int, str]] = {
    "no-idempotency-key": (400, "The idempotency key is missing or malformed"),
    "not-json": (400, "The body is not JSON"),
    "no-token": (401, "No access token"),
    "invalid-token": (401, "The access token is not honoured"),
    "no-such-path": (404, "There is nothing at this path"),
    "order-not-found": (404, "No such payment"),
    "method-not-allowed": (405, "Another method is for this path"),
    "order-closed": (409, "The order does not allow it any more"),
    "number-reused": (409, "The number was used with other terms"),
    "exceeds-payment": (409, "More than is left of the payment"),
    "other-currency": (409, "The payment was made in another currency"),
    "key-in-use": (409, "A request with this idempotency key is under way"),
    "unsupported-media-type": (415, "Another media type is for this body"),
    "invalid-fields": (422, "A field is missing or not as described"),
    "key-reused": (422, "The idempotency key was used for another request"),
    "rate-limited": (429, "Too many calls"),
    "overloaded": (503, "No capacity now"),
}
_REFUSALS = frozenset(get_args(RefusalKind))
_REFUSAL_STATUSES = frozenset(_PROBLEMS[kind][0] for kind in get_args(RefusalKind))
_KEY = re.compile("[!-~]{1,255}")
_PATH = re.compile(
    r"(?:/[^/]+)*?(?:(?P<description>/openapi\.json)|(?P<token>/oauth2/token)"
    r"|/v1/payments(?:/(?P<order_no>[0-9A-Za-z_-]{1,64})(?:/(?P<act>cancel|refunds))?)?)"
)


@cache
def _description() -> bytes:
    order_no = Parameter("order_no", "path", Number, "The merchant's own number of the payment")
    key = Parameter(KEY_HEADER, "header", Key, "Under one key one request is done, once")
    one = f"{PAYMENTS_PATH}/{{order_no}}"
    token_url = f"/{NAME}{TOKEN_PATH}"
    return document(
        title="UnionPay's upcoming AI gateway, as it may be",
        says="Served by a mock: all of it is assumed, and no money moves.",
        server=f"/{NAME}",
        schemes={
            "token": {
                "type": "oauth2",
                "flows": {"clientCredentials": {"tokenUrl": token_url, "scopes": {}}},
            },
            "client": {"type": "http", "scheme": "basic"},
        },
        security="token",
        operations=[
            Operation(
                name="askToken",
                method="POST",
                path=TOKEN_PATH,
                says="An access token for the client's whole app",
                body=TokenForm,
                media_type=FORM,
                answers={200: Token},
                problems=[400, 401],
                problem=TokenRefusal,
                security=[{"client": []}, {}],
            ),
            Operation(
                name="pay",
                method="POST",
                path=PAYMENTS_PATH,
                says="Pay; that it was declined is an answer too",
                parameters=[key],
                body=NewPayment,
                answers={201: Payment},
                problems=[400, 401, 409, 415, 422],
            ),
            Operation(
                name="query",
                method="GET",
                path=one,
                says="Where a payment stands",
                parameters=[order_no],
                answers={200: Payment},
                problems=[401, 404],
            ),
            Operation(
                name="cancel",
                method="POST",
                path=f"{one}/cancel",
                says="Undo a payment, or close a number that is not known yet for good",
                parameters=[order_no],
                answers={200: Payment},
                problems=[401, 404, 409],
            ),
            Operation(
                name="refund",
                method="POST",
                path=f"{one}/refunds",
                says="Give a part of a payment back, or all of it",
                parameters=[order_no, key],
                body=NewRefund,
                answers={201: Payment},
                problems=[400, 401, 404, 409, 415, 422],
            ),
        ],
    )
