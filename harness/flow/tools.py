"""The functions that a model may call, defined once and named for no payment provider.

Reading a call back is strict: whatever breaks the schema is a ValueError whose text holds nothing
that the model wrote, since a weak model may write what must never be seen.
"""

import re
from collections.abc import Callable

import msgspec

from harness.flow.wish import AnyWish, QueryWish, RefundWish, SplitWish, Wish
from harness.providers.call import UNREADABLE
from harness.providers.chat import Tool, ToolCall

_AMOUNT = r"[0-9]{1,15}\.[0-9]{2}"  # int() alone takes signs, blanks and underscores too.
_IS_AMOUNT = re.compile(_AMOUNT)


def read_wish(call: ToolCall) -> AnyWish:
    """What the model asks for. Raises ValueError when it calls what was not offered, or breaks
    the schema of what was."""
    if call.name not in _READERS:
        raise ValueError("the model called a function that was not offered")
    try:
        return _READERS[call.name](call.arguments)
    except (msgspec.ValidationError, *UNREADABLE):
        raise ValueError(f"the model broke the schema of {call.name}") from None


class _Pay(msgspec.Struct, forbid_unknown_fields=True):
    amount: str
    currency: str
    payee: str
    method: str
    wish: str


class _Refund(msgspec.Struct, forbid_unknown_fields=True):
    amount: str
    currency: str
    reference: str
    wish: str


class _Split(msgspec.Struct, forbid_unknown_fields=True):
    amount: str
    currency: str
    payee: str
    method: str
    people: list[str]
    wish: str


class _Query(msgspec.Struct, forbid_unknown_fields=True):
    reference: str
    wish: str


def _payment(text: str) -> Wish:
    told = msgspec.json.decode(text, type=_Pay)
    return Wish(_minor(told.amount), told.currency, told.payee, told.method)


def _refund(text: str) -> RefundWish:
    told = msgspec.json.decode(text, type=_Refund)
    return RefundWish(_minor(told.amount), told.currency, told.reference)


def _split(text: str) -> SplitWish:
    told = msgspec.json.decode(text, type=_Split)
    people = tuple(told.people)
    return SplitWish(_minor(told.amount), told.currency, told.payee, told.method, people)


def _query(text: str) -> QueryWish:
    return QueryWish(msgspec.json.decode(text, type=_Query).reference)


def _minor(amount: str) -> int:
    if not _IS_AMOUNT.fullmatch(amount):
        raise ValueError("an amount has digits, a point and two decimals")
    return int(amount.replace(".", ""))


_FIELDS: dict[str, dict[str, object]] = {
    "amount": {"type": "string", "pattern": f"^{_AMOUNT}$", "description": "in major units"},
    "currency": {"type": "string", "description": "ISO 4217"},
    "payee": {"type": "string"},
    "method": {"type": "string"},
    "reference": {"type": "string", "description": "of the earlier payment"},
    "people": {"type": "array", "items": {"type": "string"}, "description": "who shares the bill"},
    "wish": {"type": "string", "description": "the user's words"},
}


def _tool(name: str, description: str, shape: type[msgspec.Struct]) -> Tool:
    fields = [field.name for field in msgspec.structs.fields(shape)]
    schema = {
        "type": "object",
        "properties": {field: _FIELDS[field] for field in fields},
        "required": fields,
        "additionalProperties": False,
    }
    return Tool(name, description, msgspec.Raw(msgspec.json.encode(schema)))


TOOLS = (
    _tool("authorize_payment", "Pay an amount to a payee on the user's behalf.", _Pay),
    _tool("refund_payment", "Give back an earlier payment, or a part of it.", _Refund),
    _tool("split_bill", "Share one bill: each of these people pays a part of it.", _Split),
    _tool("query_payment", "Look up how an earlier payment stands.", _Query),
)

_READERS: dict[str, Callable[[str], AnyWish]] = {
    "authorize_payment": _payment,
    "refund_payment": _refund,
    "split_bill": _split,
    "query_payment": _query,
}
