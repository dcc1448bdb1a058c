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
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Literal, get_args

import httpx
import msgspec
from msgspec import Meta

from harness.providers.call import UNREADABLE, Call, Endpoint, Malformed, parse
from harness.providers.openapi import JSON, Operation, Parameter, document, read_json
from harness.providers.problem import (
    Answer,
    Objection,
    Problem,
    decode_problem,
    encode_problem,
    fault,
    retry_after,
)

NAME = "flat"
KEY_HEADER = "X-Api-Key"
PAYMENTS_PATH, DESCRIPTION_PATH = "/payments", "/openapi.json"
MOST_MINOR = 1_000_000_000_000
NO_CURRENCY = "XXX"
"""ISO 4217's code for none: of a number that was voided before any payment came."""

OrderNo = Annotated[str, Meta(pattern="^[0-9A-Za-z_-]+$", min_length=1, max_length=64)]
Amount = Annotated[int, Meta(ge=1, le=MOST_MINOR)]
Booked = Annotated[int, Meta(ge=0)]
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$", max_length=3)]
Text = Annotated[str, Meta(min_length=1, max_length=128)]

State = Literal["paid", "declined", "voided", "refunded"]
RefusalKind = Literal[
    "declined", "order-not-found", "order-closed", "number-reused", "exceeds-payment"
]
ProblemKind = Literal[
    RefusalKind,
    "not-json",
    "invalid-fields",
    "unauthorized",
    "no-such-path",
    "method-not-allowed",
    "unsupported-media-type",
    "rate-limited",
    "overloaded",
]


class NewPayment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be paid. The same order number with the same terms is answered again."""

    order_no: OrderNo
    amount_minor: Amount
    currency: Currency
    method: Text
    payee: Text

    def __post_init__(self) -> None:
        _end_here(self.order_no)


class NewRefund(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the payment to give back, or all of it, under a number of its own."""

    refund_no: OrderNo
    amount_minor: Amount

    def __post_init__(self) -> None:
        _end_here(self.refund_no)


class Payment(msgspec.Struct, frozen=True):
    """Where an order stands. `fee_minor` is what the merchant pays for it."""

    order_no: OrderNo
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
    """The description of this interface; it needs no key."""


Asked = NewPayment | Query | Void | RefundOf


class Refusal(msgspec.Struct, frozen=True):
    """The provider's rules forbid it. This is an answer, not a fault."""

    kind: RefusalKind
    detail: str


# Client side


def pay(at: Endpoint, payment: NewPayment) -> Call[Payment | Refusal]:
    return _call("POST", at, PAYMENTS_PATH, msgspec.json.encode(payment))


def query(at: Endpoint, order_no: str) -> Call[Payment | Refusal]:
    return _call("GET", at, f"{PAYMENTS_PATH}/{order_no}")


def void(at: Endpoint, order_no: str) -> Call[Payment | Refusal]:
    return _call("POST", at, f"{PAYMENTS_PATH}/{order_no}/void")


def refund(at: Endpoint, order_no: str, part: NewRefund) -> Call[Payment | Refusal]:
    path = f"{PAYMENTS_PATH}/{order_no}/refunds"
    return _call("POST", at, path, msgspec.json.encode(part))


def _call(
    method: str, at: Endpoint, path: str, body: bytes | None = None
) -> Call[Payment | Refusal]:
    headers = {KEY_HEADER: at.key, "accept": JSON}
    if body is not None:
        headers["content-type"] = JSON
    # No URL of the cache: each order has paths of its own, and they would never leave it.
    request = httpx.Request(method, at.base_url + path, headers=headers, content=body)
    return Call(NAME, request, _decode)


def _decode(status: int, headers: httpx.Headers, body: bytes) -> Payment | Refusal:
    if status in (200, 201):
        return parse(body, Payment)
    if status in _REFUSAL_STATUSES:
        problem = decode_problem(status, body)
        if problem.kind not in _REFUSALS:
            raise Malformed(f"{status} without a known problem")
        return msgspec.convert({"kind": problem.kind, "detail": problem.detail}, Refusal)
    raise fault(status, body)


# Server side


def key_of(request: httpx.Request) -> str:
    """The key that the client sent, "" if none."""
    return str(request.headers.get(KEY_HEADER, ""))


def decode_request(request: httpx.Request) -> Asked | Describe | Objection:
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
    if act == "void":
        return Void(order_no)
    if allowed == "GET":
        return Query(order_no)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
        return objection("unsupported-media-type", f"the body must be {JSON}")
    try:
        body = read_json(request.content)
    except UNREADABLE as error:
        return objection("not-json", str(error))
    try:
        if order_no:
            return RefundOf(order_no, msgspec.convert(body, NewRefund))
        return msgspec.convert(body, NewPayment)
    except msgspec.ValidationError as error:
        return objection("invalid-fields", str(error))


def objection(
    kind: ProblemKind, detail: str, headers: Mapping[str, str] | None = None
) -> Objection:
    status, title = _PROBLEMS[kind]
    return Objection(Problem(_PROBLEM_URI + kind, title, status, detail), headers or {})


def unauthorized() -> Objection:
    challenge = {"www-authenticate": f'ApiKey realm="{NAME}"'}
    return objection("unauthorized", f"no known key in {KEY_HEADER}", challenge)


def turned_away(why: Literal["rate_limited", "overloaded"], retry_after_s: float) -> Objection:
    kind: ProblemKind = "rate-limited" if why == "rate_limited" else "overloaded"
    return objection(kind, "come again later", retry_after(retry_after_s))


def encode_reply(asked: Asked | Objection, reply: Payment | Objection) -> Answer:
    """A payment and a refund are things that were made: 201, also when they are told again."""
    if isinstance(reply, Objection):
        return encode_problem(reply)
    status = 201 if isinstance(asked, NewPayment | RefundOf) else 200
    return status, {"content-type": JSON}, msgspec.json.encode(reply)


def encode_description() -> Answer:
    return 200, {"content-type": JSON}, _description()


def _end_here(number: str) -> None:
    # The pattern's $ is the very end to JSON Schema, but Python's also stands before a line end.
    if number.endswith("\n"):
        raise ValueError("a number holds no line end")


_PROBLEM_URI = "https://flat.example/problems/"
_PROBLEMS: dict[ProblemKind, tuple[int, str]] = {
    "not-json": (400, "The body is not JSON"),
    "unauthorized": (401, "The key is missing or unknown"),
    "declined": (402, "The payment was declined"),
    "no-such-path": (404, "There is nothing at this path"),
    "order-not-found": (404, "No such payment"),
    "method-not-allowed": (405, "Another method is for this path"),
    "order-closed": (409, "The order does not allow it any more"),
    "number-reused": (409, "The number was used with other terms"),
    "exceeds-payment": (409, "More than is left of the payment"),
    "unsupported-media-type": (415, "Another media type is for this body"),
    "invalid-fields": (422, "A field is missing or not as described"),
    "rate-limited": (429, "Too many calls"),
    "overloaded": (503, "No capacity now"),
}
_REFUSALS = frozenset(get_args(RefusalKind))
_REFUSAL_STATUSES = frozenset(_PROBLEMS[kind][0] for kind in get_args(RefusalKind))
_PATH = re.compile(
    r"(?:/[^/]+)*?(?:(?P<description>/openapi\.json)"
    r"|/payments(?:/(?P<order_no>[0-9A-Za-z_-]{1,64})(?:/(?P<act>void|refunds))?)?)"
)


@cache
def _description() -> bytes:
    order_no = Parameter("order_no", "path", OrderNo, "The merchant's own number of the payment")
    one = f"{PAYMENTS_PATH}/{{order_no}}"
    return document(
        title="A traditional payment API",
        says="Served by a mock. No money moves. Integers are written without a fraction.",
        server=f"/{NAME}",
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
