"""The wire of UnionPay's upcoming AI gateway, as the expected open API standard would have it.

It plays neither client nor server. Nothing of such a gateway is published, so all of it is assumed,
ours, put together from standards: OAuth 2 client credentials (RFC 6749), bearer tokens (RFC 6750),
the Idempotency-Key header (draft-ietf-httpapi-idempotency-key-header-07), problem details (RFC
9457). As in UnionPay's existing gateway, every call names the merchant's own order number.
`GET /openapi.json` describes it whole.

    POST /oauth2/token                    -> 200 an access token for the whole app
    POST /v1/payments                     -> 201 the payment, paid or declined
    GET  /v1/payments/{order_no}          -> 200 where it stands
    POST /v1/payments/{order_no}/cancel   -> 200 undone; a number not known yet is closed for good
    POST /v1/payments/{order_no}/refunds  -> 201 the payment, with what is given back in all
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Literal, get_args

import httpx
import msgspec
from msgspec import Meta

from harness.providers.call import Call, Endpoint, hold_to_order, parse, request_of
from harness.providers.oauth import (
    Client,
    Token,
    TokenForm,
    TokenRefusal,
    bearer,
    challenge,
    decode_client,
    decode_token,
    token_request,
)
from harness.providers.openapi import Operation, Parameter, document
from harness.providers.problem import Answer, Objection, decode_problem, encode_problem, fault
from harness.providers.rest import (
    FORM,
    JSON,
    NUMBER_IN_PATH,
    Booked,
    Currency,
    Number,
    Positive,
    Problems,
    Text,
    end_here,
)

NAME = "unionpay-ai"
CLIENT_ID = "mock-client"
"""Of an endpoint that names no account."""
TOKEN_PATH, PAYMENTS_PATH, DESCRIPTION_PATH = "/oauth2/token", "/v1/payments", "/openapi.json"
KEY_HEADER = "Idempotency-Key"

Key = Annotated[str, Meta(pattern="^[!-~]+$", min_length=1, max_length=255)]

State = Literal["succeeded", "declined", "canceled", "refunded"]
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

PROBLEMS = Problems(
    "https://unionpay-ai.example/problems/",
    {
        "no-idempotency-key": (400, "The idempotency key is missing or malformed"),
        "no-token": (401, "No access token"),
        "invalid-token": (401, "The access token is not honoured"),
        "order-not-found": (404, "No such payment"),
        "order-closed": (409, "The order does not allow it any more"),
        "number-reused": (409, "The number was used with other terms"),
        "exceeds-payment": (409, "More than is left of the payment"),
        "other-currency": (409, "The payment was made in another currency"),
        "key-in-use": (409, "A request with this idempotency key is under way"),
        "key-reused": (422, "The idempotency key was used for another request"),
    },
)


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
        end_here(self.order_no)


class NewRefund(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the payment to give back, or all of it, under a number of its own."""

    refund_no: Number
    amount: Money

    def __post_init__(self) -> None:
        end_here(self.refund_no)


class Payment(msgspec.Struct, frozen=True):
    """Where an order stands, all in minor units. `fee` is what the merchant pays for it."""

    order_no: Number
    status: State
    currency: Currency
    amount: Booked
    refunded: Booked
    fee: Booked


@dataclass(frozen=True, slots=True)
class Pay:
    """`key` is the idempotency key: what is done under it is done once, and told again."""

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
    """The description of this interface; it needs no token. `base` is the path that all others
    begin with."""

    base: str


Asked = Pay | RefundOf | Query | Cancel


class Refusal(msgspec.Struct, frozen=True):
    """The provider's rules forbid it. This is an answer, not a fault."""

    kind: RefusalKind
    detail: str


# Client side


def ask_token(at: Endpoint) -> Call[Token]:
    """Whoever the provider does not know as its client gets Unauthorized from this call."""
    request = token_request(at.url(TOKEN_PATH), at.account or CLIENT_ID, at.key)
    return Call(NAME, request, decode_token)


def pay(at: Endpoint, token: str, asked: Pay) -> Call[Payment | Refusal]:
    return _call("POST", at, token, asked.payment.order_no, "", asked.payment, asked.key)


def query(at: Endpoint, token: str, order_no: str) -> Call[Payment | Refusal]:
    return _call("GET", at, token, order_no, f"/{order_no}")


def cancel(at: Endpoint, token: str, order_no: str) -> Call[Payment | Refusal]:
    return _call("POST", at, token, order_no, f"/{order_no}/cancel")


def refund(at: Endpoint, token: str, asked: RefundOf) -> Call[Payment | Refusal]:
    path = f"/{asked.order_no}/refunds"
    return _call("POST", at, token, asked.order_no, path, asked.refund, asked.key)


def _call(
    method: str,
    at: Endpoint,
    token: str,
    order_no: str,
    path: str,
    body: msgspec.Struct | None = None,
    key: str = "",
) -> Call[Payment | Refusal]:
    headers = {**bearer(token), "accept": JSON}
    if body is not None:
        headers |= {"content-type": JSON, KEY_HEADER: key}
    # Not by `at.url`, whose cache would keep the paths of every order for ever.
    url = at.base_url + PAYMENTS_PATH + path
    content = None if body is None else msgspec.json.encode(body)
    request = request_of(method, httpx.URL(url), headers, content)
    return Call(NAME, request, lambda status, _, body: _decode(order_no, status, body))


def _decode(order_no: str, status: int, body: bytes) -> Payment | Refusal:
    if status in (200, 201):
        told = parse(body, Payment)
        hold_to_order(order_no, told.order_no)
        return told
    problem = decode_problem(status, body)
    if problem.kind in _REFUSALS and status == PROBLEMS.status(problem.kind):
        return msgspec.convert({"kind": problem.kind, "detail": problem.detail}, Refusal)
    raise fault(status, body)


_REFUSALS = frozenset(get_args(RefusalKind))


# Server side


def decode_request(
    request: httpx.Request,
) -> Asked | Client | Describe | TokenRefusal | Objection:
    """What the client wants, or the problem that a malformed request earns."""
    path = _PATH.fullmatch(request.url.path)
    if path is None:
        return PROBLEMS.objection("no-such-path", request.url.path)
    order_no, act = path["order_no"], path["act"]
    allowed = "GET" if path["description"] or (order_no and not act) else "POST"
    if request.method != allowed:
        return PROBLEMS.wrong_method(allowed)
    if path["description"]:
        return Describe(request.url.path.removesuffix(DESCRIPTION_PATH))
    if path["token"]:
        return decode_client(request)
    if allowed == "GET":
        return Query(order_no)
    if act == "cancel":
        return Cancel(order_no)
    key = str(request.headers.get(KEY_HEADER, ""))
    if not _KEY.fullmatch(key):
        says = f"{KEY_HEADER} must be 1 to 255 visible characters"
        return PROBLEMS.objection("no-idempotency-key", says)
    if order_no:
        refund = PROBLEMS.body(request, NewRefund)
        return refund if isinstance(refund, Objection) else RefundOf(key, order_no, refund)
    payment = PROBLEMS.body(request, NewPayment)
    return payment if isinstance(payment, Objection) else Pay(key, payment)


def unauthorized(token: str) -> Objection:
    """For a token that is not honoured, or for none."""
    headers = challenge(NAME, token)
    if not token:
        return PROBLEMS.objection("no-token", "send an access token", headers)
    return PROBLEMS.objection("invalid-token", "it is unknown or has expired", headers)


def encode_reply(asked: object, reply: Payment | Objection) -> Answer:
    """A payment and a refund are things that were made: 201, also when they are told again."""
    if isinstance(reply, Objection):
        return encode_problem(reply)
    status = 201 if isinstance(asked, Pay | RefundOf) else 200
    return status, {"content-type": JSON}, msgspec.json.encode(reply)


def encode_description(asked: Describe) -> Answer:
    return 200, {"content-type": JSON}, _description(asked.base)


_KEY = re.compile("[!-~]{1,255}")
_PATH = re.compile(
    rf"(?:/[^/]+)*?(?:(?P<description>{re.escape(DESCRIPTION_PATH)})|(?P<token>{TOKEN_PATH})"
    rf"|{PAYMENTS_PATH}(?:/(?P<order_no>{NUMBER_IN_PATH})(?:/(?P<act>cancel|refunds))?)?)"
)


@lru_cache(maxsize=8)
def _description(base: str) -> bytes:
    order_no = Parameter("order_no", "path", Number, "The merchant's own number of the payment")
    key = Parameter(KEY_HEADER, "header", Key, "Under one key one request is done, once")
    one = f"{PAYMENTS_PATH}/{{order_no}}"
    grant = {"tokenUrl": base + TOKEN_PATH, "scopes": {}}
    return document(
        title="UnionPay's upcoming AI gateway, as it may be",
        says="Served by a mock: all of it is assumed, and no money moves.",
        server=base or "/",
        schemes={
            "token": {"type": "oauth2", "flows": {"clientCredentials": grant}},
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
