"""What may be asked of Stripe in test mode, and what its answers say; it sends nothing.

Intents of a test card, their cancelling and refunds: no other object is made and no other account
is named. Source: Stripe API reference. An answer's livemode has to be there and false wherever the
reference says that an object has one; refunds have none.
"""

import re

import httpx
import msgspec

from harness.providers.call import UNREADABLE
from harness.real.credentials import Found
from harness.real.rules import reading
from harness.real.rules.asked import NOTHING, Asked, Told
from harness.real.unsafe import Unsafe

WHAT = "an order at Stripe"


def judge(found: Found, request: httpx.Request, path: str, query: bytes) -> Asked:
    if request.headers.get("authorization") != f"Bearer {found.endpoint.key}":
        raise Unsafe("a request to Stripe that is not opened by the test key that was found")
    reading.media(request, reading.FORM, WHAT)
    if request.method == "GET":
        return _look(request, path, query)
    if request.method == "POST":
        reading.no_query(query, WHAT)
        if path == "/v1/payment_intents":
            return _create(request)
        if path == "/v1/refunds":
            return _refund(request)
        if act := _ACT.fullmatch(path):
            return _act(request, act["id"], act["act"])
    raise Unsafe("a request to Stripe of a kind that none of ours is")


def told(asked: Asked, status: int, body: bytes) -> Told:
    _refuse_live(status, body)
    try:
        answer = msgspec.json.decode(body, type=_Answer)
    except UNREADABLE:
        return NOTHING
    if status != 200:
        return _told_refusal(status, answer)
    of = answer.payment_intent
    if answer.object == "refund":
        back = answer.status in ("succeeded", "pending")
        id_ = of.id if isinstance(of, _Expanded) else of or ""
        return Told(id=id_, closed="refunded" if back else "", back_minor=answer.amount)
    if answer.object == "search_result" and len(answer.data) == 1:
        return _told_intent(answer.data[0])
    return _told_intent(answer) if answer.object == "payment_intent" else NOTHING


def _create(request: httpx.Request) -> Asked:
    fields = reading.form(request.content, WHAT)
    reading.only(fields, _CREATE.fullmatch, WHAT)
    _test_card(fields)
    currency = reading.text(fields, "currency", "[A-Za-z]{3}", WHAT)
    return Asked(
        kind="create",
        order_no=reading.text(fields, "metadata[order_no]", "[!-~]{1,100}", WHAT),
        amount_minor=reading.whole(fields.get("amount"), WHAT),
        currency=currency.upper(),
        key=reading.text(request.headers, "idempotency-key", "[!-~]{1,255}", WHAT),
    )


def _refund(request: httpx.Request) -> Asked:
    what = "a refund at Stripe"
    fields = reading.form(request.content, what)
    reading.only(fields, _REFUND.fullmatch, what)
    part = fields.get("amount")
    return Asked(
        kind="change",
        id=reading.text(fields, "payment_intent", _ID, what),
        amount_minor=reading.whole(part, what) if part is not None else 0,
    )


def _act(request: httpx.Request, id_: str, act: str) -> Asked:
    what = "a change of an order at Stripe"
    fields = reading.form(request.content, what)
    reading.only(fields, (_CANCEL if act == "cancel" else _CONFIRM).fullmatch, what)
    _test_card(fields)
    return Asked(kind="close" if act == "cancel" else "change", id=id_)


def _look(request: httpx.Request, path: str, query: bytes) -> Asked:
    what = "a question to Stripe"
    reading.no_body(request.content, what)
    fields = reading.form(query, what)
    reading.only(fields, _LOOK.fullmatch, what)
    if one := _ONE.fullmatch(path):
        return Asked(kind="read", id=one["id"])
    if path not in _LISTS:
        raise Unsafe("a question to Stripe of a kind that none of ours is")
    return Asked(kind="read")


def _test_card(fields: dict[str, str]) -> None:
    card = fields.get("payment_method", "")
    if card and not _TEST_CARD.fullmatch(card):
        raise Unsafe("an order at Stripe by another card than a test card, pm_card_...")
    if fields.get("payment_method_types[]", "card") != "card":
        raise Unsafe("an order at Stripe by another method than a card")


def _refuse_live(status: int, body: bytes) -> None:
    """Whatever the status; nothing of live mode is believed to be an accident."""
    # A member that is there twice is only seen in the text.
    if _LIVE_TEXT.search(reading.unescaped(body) if b"\\" in body else body):
        raise Unsafe(_LIVE)
    try:
        answer: object = msgspec.json.decode(body)
    except UNREADABLE:
        return  # The wire's own fault, as nothing is told by it.
    if _has_live(answer):
        raise Unsafe(_LIVE)
    if status == 200 and isinstance(answer, dict):
        of = answer.get("data") if answer.get("object") in ("list", "search_result") else [answer]
        for each in of if isinstance(of, list) else [None]:
            kind = each.get("object") if isinstance(each, dict) else None
            if kind != "refund" and not (isinstance(each, dict) and "livemode" in each):
                raise Unsafe(_NOT_TOLD)


def _has_live(value: object, depth: int = 0) -> bool:
    if depth > 40:
        return True
    if isinstance(value, dict):
        return any(
            (name == "livemode" and inner is not False) or _has_live(inner, depth + 1)
            for name, inner in value.items()
        )
    return isinstance(value, list) and any(_has_live(inner, depth + 1) for inner in value)


def _told_refusal(status: int, answer: "_Answer") -> Told:
    error = answer.error
    if error is not None and error.payment_intent is not None:
        return _told_intent(error.payment_intent)
    # A key that was used before says that something may be there.
    unfit = status == 400 and error is not None and error.type == "invalid_request_error"
    return Told(unmade=status in (401, 403) or unfit)


def _told_intent(intent: "_Intent | _Answer") -> Told:
    return Told(
        made=True,
        id=intent.id,
        order_no=intent.metadata.get("order_no", ""),
        closed="closed" if intent.status == "canceled" else "",
    )


class _Intent(msgspec.Struct):
    id: str = ""
    status: str | None = ""
    metadata: dict[str, str] = {}


class _Expanded(msgspec.Struct):
    id: str = ""


class _Error(msgspec.Struct):
    type: str = ""
    payment_intent: _Intent | None = None


class _Answer(msgspec.Struct):
    id: str = ""
    status: str | None = ""
    amount: int = 0
    metadata: dict[str, str] = {}
    payment_intent: str | _Expanded | None = None
    error: _Error | None = None
    object: str = ""
    data: list[_Intent] = []


_LIVE = "an answer of Stripe's in live mode: revoke the key, and look at the account's payments"
_NOT_TOLD = "an answer of Stripe's that does not say that it is of test mode"
_LIVE_TEXT = re.compile(rb'"livemode"\s*:\s*(?!\s|false\b)')
_ID = r"pi_[A-Za-z0-9_]{1,80}"
_ACT = re.compile(rf"/v1/payment_intents/(?P<id>{_ID})/(?P<act>cancel|confirm|capture)")
_ONE = re.compile(rf"/v1/(?:payment_intents/(?P<id>{_ID})|refunds/re_[A-Za-z0-9_]{{1,80}})")
_LISTS = ("/v1/payment_intents", "/v1/payment_intents/search", "/v1/refunds")
_TEST_CARD = re.compile(r"pm_card_[A-Za-z_]{1,60}", re.ASCII)
_EXPAND = r"expand\[[0-9]{0,2}\]"
_CREATE = re.compile(
    r"amount|currency|confirm|capture_method|confirmation_method|payment_method|description|"
    r"error_on_requires_action|payment_method_types\[\]|metadata\[[a-z_]{1,40}\]|"
    rf"automatic_payment_methods\[(?:enabled|allow_redirects)\]|{_EXPAND}"
)
_REFUND = re.compile(rf"payment_intent|amount|reason|metadata\[[a-z_]{{1,40}}\]|{_EXPAND}")
_CANCEL = re.compile(rf"cancellation_reason|{_EXPAND}")
_CONFIRM = re.compile(rf"payment_method|error_on_requires_action|{_EXPAND}")
_LOOK = re.compile(
    r"query|limit|page|payment_intent|starting_after|ending_before|created\[(?:gte|gt|lte|lt)\]|"
    rf"{_EXPAND}"
)
