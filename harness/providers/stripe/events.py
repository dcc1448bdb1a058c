"""Webhooks of the Stripe API: events and their signatures, for who sends and who receives; pure.

    Stripe-Signature: t=1492774577,v1=<hex of HMAC-SHA256(secret, "1492774577." + body)>

An event may come twice and in any order; its id is the same each time. Source: Stripe
documentation, "Receive Stripe events in your webhook endpoint", and stripe-python 16.1.0.
"""

import hashlib
import hmac
from typing import Literal, get_args

import httpx
import msgspec

from harness.providers.call import UNREADABLE
from harness.providers.stripe.objects import Event

SIGNATURE = "Stripe-Signature"
TOLERANCE_S = 300

EventType = Literal[
    "payment_intent.created",
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.requires_action",
    "payment_intent.amount_capturable_updated",
    "payment_intent.canceled",
    "charge.succeeded",
    "charge.failed",
    "charge.captured",
    "charge.refunded",
    "refund.created",
]
EVENT_TYPES = frozenset(get_args(EventType))
ALL_EVENTS = "*"


class Subject(msgspec.Struct, frozen=True):
    """What an event is about, as far as an app reads it."""

    id: str
    object: str
    metadata: dict[str, str] = {}


class Told(msgspec.Struct, frozen=True):
    """An event as its receiver reads it."""

    id: str
    type: str
    subject: Subject


# Who sends


def notice(url: str, secret: str, event: Event, at_s: float) -> httpx.Request:
    """The event on its way, signed at that time."""
    body = msgspec.json.encode(event)
    headers = {
        "content-type": "application/json; charset=utf-8",
        "user-agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        SIGNATURE: signature(secret, body, int(at_s)),
    }
    return httpx.Request("POST", url, headers=headers, content=body)


def signature(secret: str, body: bytes, at_s: int) -> str:
    return f"t={at_s},v1={_mac(secret, body, str(at_s))}"


# Who receives


def read_notice(request: httpx.Request, secret: str, now_s: float | None = None) -> Told | None:
    """The event, None for one that is not to be believed: unsigned, signed by another, of live
    mode, unreadable, or signed too long before or after `now_s`. Without a time to compare with,
    only its id tells a replayed event from a new one."""
    if not verified(request.headers.get(SIGNATURE, ""), request.content, secret, now_s):
        return None
    try:
        event = msgspec.json.decode(request.content, type=_Event)
    except UNREADABLE:
        return None
    return None if event.livemode else Told(event.id, event.type, event.data.object)


def verified(header: str, body: bytes, secret: str, now_s: float | None = None) -> bool:
    """Whether one of the signatures is right. During a change of secrets there are several."""
    pairs = [
        (name.strip(), value) for name, _, value in (p.partition("=") for p in header.split(","))
    ]
    times = [value for name, value in pairs if name == "t"]
    if len(times) != 1 or not times[0].isascii() or not times[0].isdecimal():
        return False
    right = _mac(secret, body, times[0]).encode()
    given = [value.encode() for name, value in pairs if name == "v1"]
    if not any([hmac.compare_digest(right, one) for one in given]):
        return False
    return now_s is None or abs(now_s - int(times[0][:15])) <= TOLERANCE_S


def acknowledge(believed: bool) -> httpx.Response:
    return httpx.Response(200 if believed else 400)


def taken(answer: httpx.Response) -> bool:
    """Whether the receiver has it: any 2xx, and nothing else, not even a redirect."""
    return answer.is_success


def _mac(secret: str, body: bytes, at_s: str) -> str:
    return hmac.new(secret.encode(), at_s.encode() + b"." + body, hashlib.sha256).hexdigest()


class _Data(msgspec.Struct):
    object: Subject


class _Event(msgspec.Struct):
    id: str
    type: str
    data: _Data
    livemode: bool = False
