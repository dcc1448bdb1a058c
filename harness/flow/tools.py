"""The functions that a model may call, defined once and named for no payment provider."""

import re

import msgspec

from harness.flow.wish import Wish
from harness.providers.call import Malformed
from harness.providers.openai import FunctionSchema, Tool, ToolCall

_AMOUNT = r"[0-9]{1,15}\.[0-9]{2}"  # int() alone takes signs, blanks and underscores too.

AUTHORIZE_PAYMENT = Tool(
    FunctionSchema(
        "authorize_payment",
        "Pay an amount to a payee on the user's behalf.",
        msgspec.Raw(
            msgspec.json.encode(
                {
                    "type": "object",
                    "properties": {
                        "amount": {"type": "string", "pattern": f"^{_AMOUNT}$"},
                        "currency": {"type": "string", "description": "ISO 4217"},
                        "payee": {"type": "string"},
                        "method": {"type": "string"},
                        "wish": {"type": "string", "description": "the user's words"},
                    },
                    "required": ["amount", "currency", "payee", "method", "wish"],
                    "additionalProperties": False,
                }
            )
        ),
    )
)


def read_payment(call: ToolCall) -> Wish:
    """The payment that the model asks for, or Malformed when it breaks the schema."""
    if call.name != AUTHORIZE_PAYMENT.function.name:
        raise Malformed(f"the model called {call.name!r}, which was not offered")
    try:
        told = msgspec.json.decode(call.arguments, type=_Arguments)
        if not re.fullmatch(_AMOUNT, told.amount):
            raise ValueError("an amount has digits, a point and two decimals")
        return Wish(int(told.amount.replace(".", "")), told.currency, told.payee, told.method)
    except (msgspec.DecodeError, ValueError) as error:
        raise Malformed(f"authorize_payment: {error}") from None


class _Arguments(msgspec.Struct, forbid_unknown_fields=True):
    amount: str
    currency: str
    payee: str
    method: str
    wish: str
