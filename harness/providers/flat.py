"""The wire of a traditional payment API: one call under a static key; it plays neither role.

The article compares with "a traditional API" at 0.30 CNY flat and names none, so every name and
path is assumed, ours: plain REST, with the order number as what makes a payment idempotent, and
problem details (RFC 9457) as errors. `GET /openapi.json` describes it whole.

    POST /payments                     -> 201 the payment, or 402 if it was declined
    GET  /payments/{order_no}          -> 200 where it stands
    POST /payments/{order_no}/void     -> 200 undone; a number not known yet is closed for good
    POST /payments/{order_no}/refunds  -> 201 the payment, with what is given back in all
"""

import re
from functools import lru_cache
from typing import Literal, get_args

import httpx
import msgspec

from harness.providers.call import Call, Endpoint, hold_to_order, parse, request_of
from harness.providers.openapi import Operation, Parameter, document
from harness.providers.problem import Answer, Objection, decode_problem, encode_problem, fault
from harness.providers.rest import (
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

NAME = "flat"
KEY_HEADER = "X-Api-Key"
PAYMENTS_PATH, DESCRIPTION_PATH = "/payments", "/openapi.json"

State = Literal["paid", "declined", "voided", "refunded"]
RefusalKind = Literal[
    "declined", "order-not-found", "order-closed", "number-reused", "exceeds-payment"
]

PROBLEMS = Problems(
    "https://flat.example/problems/",
    {
        "unauthorized": (401, "The key is missing or unknown"),
        "declined": (402, "The payment was declined"),
        "order-not-found": (404, "No such payment"),
        "order-closed": (409, "The order does not allow it any more"),
        "number-reused": (409, "The number was used with other terms"),
        "exceeds-payment": (409, "More than is left of the payment"),
    },
)


class NewPayment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be paid. The same order number with the same terms is answered again."""

    order_no: Number
    amount_minor: Positive
    currency: Currency
    payer: Text
    method: Text
    payee: Text

    def __post_init__(self) -> None:
        end_here(self.order_no)


class NewRefund(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the payment to give back, or all of it, under a number of its own."""

    refund_no: Number
    amount_minor: Positive

    def __post_init__(self) -> None:
        end_here(self.refund_no)


class Payment(msgspec.Struct, frozen=True):
    """Where an order stands. `fee_minor` is what the merchant pays for it."""

    order_no: Number
    status: State
    amount_minor: Booked
    currency: Currency
    fee_minor: Booked
    refunded_minor: Booked


class Query(msgspec.Struct, frozen=True):
    order_no: str


class Void(msgspec.Struct, frozen=True):
    order_no: str


class RefundOf(msgspec.Struct, frozen=True):
    order_no: str
    refund: NewRefund


class Describe(msgspec.Struct, frozen=True):
    """The description of this interface; it needs no key. `base` is the path that all others begin
    with."""

    base: str


Asked = NewPayment | Query | Void | RefundOf


class Refusal(msgspec.Struct, frozen=True):
    """The provider's rules forbid it. This is an answer, not a fault."""

    kind: RefusalKind
    detail: str


# Client side


def pay(at: Endpoint, payment: NewPayment) -> Call[Payment | Refusal]:
    return _call("POST", at, payment.order_no, "", payment)


def query(at: Endpoint, order_no: str) -> Call[Payment | Refusal]:
    return _call("GET", at, order_no, f"/{order_no}")


def void(at: Endpoint, order_no: str) -> Call[Payment | Refusal]:
    return _call("POST", at, order_no, f"/{order_no}/void")


def refund(at: Endpoint, asked: RefundOf) -> Call[Payment | Refusal]:
    return _call("POST", at, asked.order_no, f"/{asked.order_no}/refunds", asked.refund)


def _call(
    method: str, at: Endpoint, order_no: str, path: str, body: msgspec.Struct | None = None
) -> Call[Payment | Refusal]:
    headers = {KEY_HEADER: at.key, "accept": JSON}
    if body is not None:
        headers["content-type"] = JSON
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


def key_of(request: httpx.Request) -> str:
    """The key that the client sent, "" if none."""
    return str(request.headers.get(KEY_HEADER, ""))


def decode_request(request: httpx.Request) -> Asked | Describe | Objection:
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
    if allowed == "GET":
        return Query(order_no)
    if act == "void":
        return Void(order_no)
    if order_no:
        refund = PROBLEMS.body(request, NewRefund)
        return refund if isinstance(refund, Objection) else RefundOf(order_no, refund)
    return PROBLEMS.body(request, NewPayment)


def unauthorized() -> Objection:
    challenge = {"www-authenticate": f'ApiKey realm="{NAME}"'}
    return PROBLEMS.objection("unauthorized", f"no known key in {KEY_HEADER}", challenge)


def encode_reply(asked: object, reply: Payment | Objection) -> Answer:
    """A payment and a refund are things that were made: 201, also when they are told again."""
    if isinstance(reply, Objection):
        return encode_problem(reply)
    status = 201 if isinstance(asked, NewPayment | RefundOf) else 200
    return status, {"content-type": JSON}, msgspec.json.encode(reply)


def encode_description(asked: Describe) -> Answer:
    return 200, {"content-type": JSON}, _description(asked.base)


_PATH = re.compile(
    rf"(?:/[^/]+)*?(?:(?P<description>{re.escape(DESCRIPTION_PATH)})"
    rf"|{PAYMENTS_PATH}(?:/(?P<order_no>{NUMBER_IN_PATH})(?:/(?P<act>void|refunds))?)?)"
)


@lru_cache(maxsize=8)
def _description(base: str) -> bytes:
    order_no = Parameter("order_no", "path", Number, "The merchant's own number of the payment")
    one = f"{PAYMENTS_PATH}/{{order_no}}"
    return document(
        title="A traditional payment API",
        says="Served by a mock. No money moves. Integers are written without a fraction.",
        server=base or "/",
        schemes={"key": {"type": "apiKey", "in": "header", "name": KEY_HEADER}},
        security="key",
        operations=[
            Operation(
                name="pay",
                method="POST",
                path=PAYMENTS_PATH,
                says="Pay, in one call",
                body=NewPayment,
                answers={201: Payment},
                problems=[400, 401, 402, 409, 415, 422],
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
                name="void",
                method="POST",
                path=f"{one}/void",
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
                parameters=[order_no],
                body=NewRefund,
                answers={201: Payment},
                problems=[400, 401, 404, 409, 415, 422],
            ),
        ],
    )
