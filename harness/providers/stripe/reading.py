"""A call to the Stripe API as its server reads it: who asks, what, and what is wrong with it; pure.

Whatever comes is either something that the API can do or the refusal that it would answer.
"""

import base64
import re

import httpx
import msgspec

from harness.providers.call import UNREADABLE
from harness.providers.stripe import errors, expand, form, search
from harness.providers.stripe.errors import Refusal
from harness.providers.stripe.requests import (
    ANSWERS,
    LEAST_MINOR,
    MOST_MINOR,
    ROUTES,
    VERSION,
    Asked,
    CreateEndpoint,
    CreateIntent,
    CreateRefund,
    ListOf,
    Retrieve,
    SearchIntents,
)


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What a request says of itself beside its parameters. Keys are never printed."""

    api_key: str
    idempotency_key: str
    version: str

    def __repr__(self) -> str:
        return f"Head({self.version})"


def read_head(request: httpx.Request) -> Head:
    return Head(
        api_key=_api_key(request.headers.get("authorization", "")),
        idempotency_key=request.headers.get("idempotency-key", ""),
        version=request.headers.get("stripe-version", VERSION),
    )


def decode_request(request: httpx.Request) -> Asked | Refusal:
    """What the client wants, or the refusal that a malformed request earns."""
    try:
        return _decode(request)
    except form.Unfit as unfit:
        return errors.unfit(unfit.message, unfit.param, unfit.code)
    except UNREADABLE:
        return errors.unfit("Invalid request.")


def path_of(request: httpx.Request) -> str:
    """The path as the API names it, whatever it is served under."""
    return "/v1/" + request.url.path.partition("/v1/")[2]


def fits_header(text: str) -> bool:
    return _PLAIN.fullmatch(text) is not None


def _decode(request: httpx.Request) -> Asked | Refusal:
    path = path_of(request)
    collection, _, rest = path.removeprefix("/v1/").partition("/")
    id_, _, act = rest.partition("/")
    for pattern in (f"{collection}/{rest}" if rest else collection, _pattern(collection, act)):
        if shape := ROUTES.get((request.method, pattern)):
            break
    else:
        return errors.no_such_url(request.method, path)
    _check_head(request)
    given = {"id": id_} if "{id}" in pattern else {}
    if shape is Retrieve:
        given["collection"] = collection
    asked = form.read(form.parse(_params(request)), shape, given)
    expand.check(asked.expand, _answers(asked))
    return _checked(asked)


def _answers(asked: Asked) -> str:
    """The kind of object that the answer is."""
    if isinstance(asked, ListOf | SearchIntents):
        return expand.LISTED + (
            asked.collection if isinstance(asked, ListOf) else "payment_intents"
        )
    if isinstance(asked, Retrieve):
        return asked.collection
    return ANSWERS.get(type(asked), "")


def _pattern(collection: str, act: str) -> str:
    return f"{collection}/{{id}}/{act}" if act else f"{collection}/{{id}}"


def _check_head(request: httpx.Request) -> None:
    head = read_head(request)
    if not _VERSION.fullmatch(head.version):
        raise form.Unfit(f"Invalid Stripe API version: {head.version[:40]}")
    if len(head.idempotency_key) > 255:
        raise form.Unfit("Idempotency keys can have up to 255 characters.")
    if head.idempotency_key and not fits_header(head.idempotency_key):
        raise form.Unfit("Idempotency keys are of printable ASCII characters.")


def _params(request: httpx.Request) -> str:
    """The query of a GET, the form of a POST."""
    if request.method != "POST":
        return request.url.query.decode("ascii")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.content and kind not in ("", _FORM):
        raise form.Unfit(f"Invalid request (check that your POST content type is {_FORM}).")
    return request.content.decode()


def _checked(asked: Asked) -> Asked | Refusal:
    """What the type of a parameter cannot say."""
    if isinstance(asked, CreateIntent):
        return _checked_intent(asked)
    if isinstance(asked, SearchIntents):
        search.parse(asked.query)
    if isinstance(asked, CreateRefund) and (asked.charge is None) == (asked.payment_intent is None):
        told = "One of the following params should be provided for this request: payment_intent or "
        return errors.unfit(f"{told}charge.", code="parameter_missing")
    if isinstance(asked, CreateEndpoint):
        return _checked_endpoint(asked)
    return asked


def _checked_endpoint(asked: CreateEndpoint) -> CreateEndpoint | Refusal:
    if not _URL.fullmatch(asked.url):
        return errors.unfit(
            "Invalid URL: An explicit scheme must be provided.", "url", "url_invalid"
        )
    for place, event in enumerate(asked.enabled_events):
        if not _EVENT.fullmatch(event):
            return errors.unfit("Invalid event type", f"enabled_events[{place}]")
    return asked


def _checked_intent(asked: CreateIntent) -> CreateIntent | Refusal:
    currency = asked.currency.lower()
    if not _CURRENCY.fullmatch(currency):
        return errors.unfit(f"Invalid currency: {asked.currency[:40]}", "currency")
    least = LEAST_MINOR.get(currency, 1)
    if asked.amount < least:
        return errors.amount_too_small(least, currency)
    if asked.amount > MOST_MINOR:
        return errors.amount_too_large(MOST_MINOR, currency)
    if asked.confirm and not (asked.payment_method or asked.payment_method_data):
        return errors.needs_method(None)
    if asked.confirm and asked.may_redirect and not asked.return_url:
        return errors.needs_return_url()
    return msgspec.structs.replace(asked, currency=currency)


def _api_key(authorization: str) -> str:
    """Bearer, or Basic with the key as its user; "" for anything else."""
    scheme, _, told = authorization.strip().partition(" ")
    if scheme.lower() == "bearer":
        return told.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(told, validate=True).decode("ascii").partition(":")[0]
        except ValueError:
            return ""
    return ""


_FORM = "application/x-www-form-urlencoded"
_PLAIN = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
_VERSION = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:\.[a-z]{1,20})?")
_CURRENCY = re.compile(r"[a-z]{3}")
_EVENT = re.compile(r"\*|[a-z0-9_]{1,60}(?:\.[a-z0-9_]{1,60}){1,4}")
_URL = re.compile(r"https?://[\x21-\x7e]{1,2000}")
