"""The functions that a model may call, defined once and named for no payment provider."""

import msgspec

from harness.flow.wish import Wish
from harness.providers.call import Malformed
from harness.providers.openai import FunctionSchema, Tool, ToolCall

AUTHORIZE_PAYMENT = Tool(
    FunctionSchema(
        "authorize_payment",
        "Pay an amount to a payee on the user's behalf.",
        msgspec.Raw(
            msgspec.json.encode(
                {
                    "type": "object",
                    "properties": {
                        "amount": {"type": "string", "pattern": r"^\d+\.\d{2}$"},
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
        whole, _, minor = told.amount.partition(".")
        if len(minor) != 2:
            raise ValueError("an amount has two decimals")
        return Wish(int(whole) * 100 + int(minor), told.currency, told.payee, told.method)
    except (msgspec.DecodeError, ValueError) as error:
        raise Malformed(f"authorize_payment: {error}") from None


class _Arguments(msgspec.Struct, forbid_unknown_fields=True):
    amount: str
    currency: str
    payee: str
    method: str
    wish: str
