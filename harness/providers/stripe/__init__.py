"""The wire of the Stripe API's payments by card; it plays neither client nor server.

Real: paths, parameters, objects, errors, idempotency and webhook signatures are those of the API
reference, and the official SDK speaks with what is served by it. Nothing here ever sends a key
that is not a test key, or takes an object that is of live mode.

    POST /v1/payment_intents            create, and with confirm=true pay at once
    POST /v1/payment_intents/{id}/...   confirm, capture, cancel
    GET  /v1/payment_intents/search     by metadata: how an app finds what it has no id of
    POST /v1/refunds                    -> the refund
    GET  /v1/{collection}[/{id}]        payment_intents, charges, refunds, balance_transactions, ...
    POST /v1/webhook_endpoints          where events are sent, signed

Files: requests.py what can be asked and reading.py how a server reads it, objects.py what is
answered, errors.py what is refused, events.py webhooks, form.py the bodies, expand.py and
search.py two small languages.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from harness.providers.call import (
    Call,
    Endpoint,
    Malformed,
    Overloaded,
    ProviderFault,
    code_name,
    fault_of,
    parse,
)
from harness.providers.stripe import errors, form, search
from harness.providers.stripe.errors import Refusal
from harness.providers.stripe.expand import expanded
from harness.providers.stripe.objects import (
    BalanceTransaction,
    Charge,
    PaymentIntent,
    Refund,
    Status,
    Thing,
    WebhookEndpoint,
)
from harness.providers.stripe.reading import Head, decode_request, fits_header, path_of, read_head
from harness.providers.stripe.requests import (
    ROUTES,
    VERSION,
    Asked,
    CancelIntent,
    ConfirmIntent,
    CreateEndpoint,
    CreateIntent,
    CreateRefund,
    ListIntents,
    Retrieve,
    SearchIntents,
)

NAME = "stripe"
HOSTS, KEY_HEADERS = ("api.stripe.com",), ("authorization",)
ORDER_NO, USER, METHOD, PAYEE = "order_no", "user", "method", "payee"
"""Metadata that an app of ours writes to a payment; the API itself gives it no meaning."""

__all__ = [
    "HOSTS", "KEY_HEADERS", "METHOD", "NAME", "ORDER_NO", "PAYEE", "REFUND_WITH_FEE", "USER",
    "VERSION", "WITH_FEE",
    "CancelIntent", "Charge", "ConfirmIntent", "CreateEndpoint", "CreateIntent", "CreateRefund",
    "Found", "Head", "Listing", "Marks", "Page", "PaymentIntent", "Refund", "Refusal", "Status",
    "WebhookEndpoint", "cancel_intent", "confirm_intent", "create_endpoint", "create_intent",
    "create_refund", "decode_request", "encode_reply", "encode_turned", "endpoint_of", "fee_minor",
    "find_intent", "headers", "list_intents", "read_head", "retrieve_intent", "terms_of",
]  # fmt: skip

T = TypeVar("T", bound=msgspec.Struct)
WITH_FEE = ("latest_charge.balance_transaction",)
REFUND_WITH_FEE = ("charge.balance_transaction",)


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "list"
    data: Sequence[Thing]
    has_more: bool
    url: str


class Found(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "search_result"
    data: Sequence[Thing]
    has_more: bool
    next_page: str | None = None
    url: str


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """An intent, as far as it is told apart from others: it may be anybody's of the account."""

    id: str
    created: int = 0
    metadata: dict[str, str] = {}


class Page(msgspec.Struct, frozen=True, kw_only=True):
    data: list[Listed]
    has_more: bool = False


class Marks(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer says of itself in its headers. `original` is the request id of the answer
    that this one repeats."""

    request_id: str
    head: Head
    original: str = ""


# Client side. Each call that changes something has a key: the same key, the same effect, once.


def create_intent(at: Endpoint, asked: CreateIntent, key: str) -> Call[PaymentIntent | Refusal]:
    return _call(at, asked, PaymentIntent, key)


def confirm_intent(at: Endpoint, asked: ConfirmIntent, key: str) -> Call[PaymentIntent | Refusal]:
    return _call(at, asked, PaymentIntent, key)


def cancel_intent(at: Endpoint, id_: str, key: str) -> Call[PaymentIntent | Refusal]:
    return _call(at, CancelIntent(id=id_), PaymentIntent, key)


def retrieve_intent(at: Endpoint, id_: str) -> Call[PaymentIntent | Refusal]:
    asked = Retrieve(collection="payment_intents", id=id_, expand=[*WITH_FEE])
    return _call(at, asked, PaymentIntent)


def find_intent(at: Endpoint, order_no: str) -> Call[PaymentIntent | None]:
    """The newest intent with that order number; None also where a server knows no search. The real
    API finds a new intent within a minute, rarely within an hour."""
    asked = SearchIntents(
        query=search.by_metadata(ORDER_NO, order_no), limit=1, expand=[f"data.{WITH_FEE[0]}"]
    )
    return Call(NAME, _request(at, asked, ""), _decode_found)


def list_intents(at: Endpoint, after: str = "") -> Call[Page]:
    """A hundred of the account, the newest first, or those behind that id. Unlike what is found,
    what is listed is all that is there now."""
    asked = ListIntents(limit=100, starting_after=after or None)

    def decode(status: int, headers: httpx.Headers, body: bytes) -> Page:
        if status != 200:
            raise _fault(status, body)
        for mode in parse(body, _Modes).data:
            _refuse_live(mode)
        return parse(body, Page)

    return Call(NAME, _request(at, asked, ""), decode)


def create_refund(at: Endpoint, asked: CreateRefund, key: str) -> Call[Refund | Refusal]:
    return _call(at, asked, Refund, key)


def create_endpoint(
    at: Endpoint, asked: CreateEndpoint, key: str
) -> Call[WebhookEndpoint | Refusal]:
    return _call(at, asked, WebhookEndpoint, key)


def fee_minor(charge: str | Charge | None) -> int:
    """What the payment costs the merchant, in its own currency; 0 where no balance transaction
    tells it."""
    if not isinstance(charge, Charge):
        return 0
    moved = charge.balance_transaction
    if not isinstance(moved, BalanceTransaction):
        return 0
    same = moved.currency == charge.currency or not moved.exchange_rate
    return moved.fee if same else round(moved.fee / (moved.exchange_rate or 1.0))


def _call(at: Endpoint, asked: Asked, shape: type[T], key: str = "") -> Call[T | Refusal]:
    return Call(NAME, _request(at, asked, key), _decoder(shape))


def _request(at: Endpoint, asked: Asked, key: str) -> httpx.Request:
    if not _TEST_KEY.match(at.key):
        raise ValueError("only a test key of Stripe's may be used: sk_test_... or rk_test_...")
    if isinstance(asked, Retrieve):
        method, pattern = "GET", f"{asked.collection}/{{id}}"
    else:
        method, pattern = _PLACES[type(asked)]
    headers = {"authorization": f"Bearer {at.key}", "stripe-version": VERSION}
    if key:
        headers["idempotency-key"] = key
    path = pattern.replace("{id}", quote(getattr(asked, "id", ""), safe=""))
    told = form.write(asked, ("id", "collection"))
    # No URL of the cache: each intent has paths of its own, and they would never leave it.
    url = f"{at.base_url}/v1/{path}"
    if method == "GET":
        return httpx.Request(method, f"{url}?{told}" if told else url, headers=headers)
    headers["content-type"] = "application/x-www-form-urlencoded"
    return httpx.Request(method, url, headers=headers, content=told.encode())


def _decoder(shape: type[T]) -> Callable[[int, httpx.Headers, bytes], T | Refusal]:
    def decode(status: int, headers: httpx.Headers, body: bytes) -> T | Refusal:
        if status == 200:
            _refuse_live(parse(body, _Mode))
            return parse(body, shape)
        return _refusal(status, body)

    return decode


def _decode_found(status: int, headers: httpx.Headers, body: bytes) -> PaymentIntent | None:
    if status != 200:
        _refusal(status, body)
        return None
    for mode in parse(body, _Modes).data:
        _refuse_live(mode)
    return next(iter(parse(body, _Intents).data), None)


def _refuse_live(mode: "_Mode") -> None:
    if mode.livemode:
        raise Malformed("an object of live mode")


def _refusal(status: int, body: bytes) -> Refusal:
    if status not in (400, 402, 404):
        raise _fault(status, body)
    told = parse(body, _Errors, status).error
    return Refusal(
        status=status,
        type=told.type,
        message=told.message or "",
        code=told.code or "",
        decline_code=told.decline_code or "",
        param=told.param or "",
        charge=told.charge or "",
        payment_intent=told.payment_intent,
    )


def _fault(status: int, body: bytes) -> ProviderFault:
    try:
        told = parse(body, _Errors).error
    except Malformed:
        told = _Error()
    code = f"{told.type} {told.code or ''} {told.decline_code or ''}"
    if status == 409:
        # A key in use: an earlier try of the same call is still under way.
        return Overloaded(f"{status} {code_name(code)}".rstrip(), status=status, code=code)
    return fault_of(status, code=code)


# Server side


def encode_reply(
    reply: msgspec.Struct, expand: Sequence[str], find: Callable[[str], Thing | None]
) -> tuple[int, bytes]:
    """Status and body: what is kept under an idempotency key."""
    if isinstance(reply, Refusal):
        return reply.status, msgspec.json.encode({"error": _error(reply)})
    return 200, msgspec.json.encode(expanded(reply, expand, find))


def encode_turned(why: Literal["rate_limited", "overloaded"]) -> tuple[int, bytes]:
    refusal = errors.rate_limited() if why == "rate_limited" else errors.overloaded()
    return refusal.status, msgspec.json.encode({"error": _error(refusal)})


def headers(marks: Marks, status: int) -> dict[str, str]:
    """What is not plain ASCII is not echoed."""
    head = marks.head
    version = head.version if fits_header(head.version) else VERSION
    told = {
        "content-type": "application/json",
        "request-id": marks.request_id,
        "stripe-version": version,
    }
    if status == 401:
        told["www-authenticate"] = 'Bearer realm="Stripe"'
    if status == 429:
        told["stripe-rate-limited-reason"] = "global-rate"
    if fits_header(head.idempotency_key):
        told["idempotency-key"] = head.idempotency_key
        told["original-request"] = marks.original or marks.request_id
    if marks.original:
        told["idempotent-replayed"] = "true"
    return told


def endpoint_of(request: httpx.Request) -> str:
    """What an idempotency key is bound to, beside the parameters."""
    return path_of(request)


def terms_of(asked: Asked) -> str:
    """The same for the same parameters, in whatever order they came. No parameter can be read off
    it: among them may be a card's number."""
    return hashlib.sha256(msgspec.json.encode(asked, order="sorted")).hexdigest()


def _error(refusal: Refusal) -> Mapping[str, object]:
    told: dict[str, object] = {"type": refusal.type, "message": refusal.message}
    for name in ("code", "decline_code", "param", "charge"):
        if value := getattr(refusal, name):
            told[name] = value
    if refusal.code:
        told["doc_url"] = errors.doc_url(refusal.code)
    if refusal.payment_intent:
        told["payment_intent"] = refusal.payment_intent
    return told


# The shapes that only a client reads


class _Mode(msgspec.Struct):
    livemode: bool = False


class _Modes(msgspec.Struct):
    data: list[_Mode]


class _Intents(msgspec.Struct):
    data: list[PaymentIntent]


class _Error(msgspec.Struct):
    type: str = ""
    code: str | None = None
    decline_code: str | None = None
    message: str | None = None
    param: str | None = None
    charge: str | None = None
    payment_intent: PaymentIntent | None = None


class _Errors(msgspec.Struct):
    error: _Error


_TEST_KEY = re.compile(r"(?:sk|rk)_test_")
_PLACES: dict[type, tuple[str, str]] = {shape: place for place, shape in ROUTES.items()}
