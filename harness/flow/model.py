"""The agent's two model calls: read the wish into a payment, tell the user how it ended.

The model sees the user's words and an anonymous reference; never a token, key or order number.
"""

from dataclasses import dataclass

from harness.flow.flow import Flow
from harness.flow.tools import AUTHORIZE_PAYMENT, read_payment
from harness.flow.wish import Wish
from harness.providers import openai
from harness.providers.call import Endpoint, Malformed
from harness.record import Outcome

_READ = openai.Message(
    "system",
    "You are a payment assistant. Turn the user's wish into one call of authorize_payment. "
    "Copy amounts, currencies, payees and methods exactly; never invent one.",
)
_TELL = openai.Message(
    "system",
    "You are a payment assistant. Tell the user kindly, in a few sentences, how the payment ended. "
    "State only what you are given.",
)


@dataclass(frozen=True, slots=True)
class Models:
    """Which model reads wishes and which confirms, on one OpenAI-compatible endpoint."""

    at: Endpoint
    intent: str
    confirm: str

    async def read_wish(self, flow: Flow, said: str) -> Wish:
        """The payment that the model understands. Malformed when it calls no function."""
        asked = openai.ChatRequest(
            self.intent,
            [_READ, openai.Message("user", said)],
            tools=[AUTHORIZE_PAYMENT],
            tool_choice="required",
        )
        reply = await flow.call("intent", openai.chat(self.at, asked))
        if len(reply.tool_calls) != 1:
            raise Malformed(f"{len(reply.tool_calls)} tool calls for one wish")
        return read_payment(reply.tool_calls[0])

    async def tell(self, flow: Flow, reference: str, wish: Wish, outcome: Outcome) -> str:
        """The confirmation in full. It is streamed, and held back until the payment is final."""
        facts = (
            f"Payment {reference}: {wish.amount} {wish.currency} "
            f"to {wish.payee} with {wish.method}: {outcome}"
        )
        asked = openai.ChatRequest(
            self.confirm, [_TELL, openai.Message("user", facts)], stream=True
        )
        reply = await flow.call("confirm", openai.chat(self.at, asked))
        if not reply.text:
            raise Malformed("a confirmation without text")
        return reply.text
