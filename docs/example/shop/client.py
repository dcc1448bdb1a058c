"""A model reads what the customer wants, Stripe takes the money, and the model says thank you."""

import json
import os
import ssl
import uuid
from dataclasses import dataclass
from typing import Any, Self

import httpx

CHAT_URL = "https://api.openai.com/v1/chat/completions"
PAY_URL = "https://api.stripe.com/v1/payment_intents"

ORDER_TOOL = {
    "type": "function",
    "function": {
        "name": "place_order",
        "description": "Order what the customer asks for.",
        "parameters": {
            "type": "object",
            "properties": {
                "dish": {"type": "string"},
                "amount_minor": {"type": "integer", "minimum": 950},
                "currency": {"enum": ["usd", "eur"]},
            },
            "required": ["dish", "amount_minor", "currency"],
        },
    },
}

TLS = ssl.create_default_context()
"""Made once: it takes longer to make than many a request to answer."""


@dataclass(frozen=True)
class Order:
    dish: str
    amount_minor: int
    currency: str


class Shop:
    """Use it in `async with`; it keeps its connections until then."""

    def __init__(self, model: str = "gpt-4o") -> None:
        self._model = model
        self._http = httpx.AsyncClient(verify=TLS, timeout=30)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def read(self, words: str) -> Order:
        """What the customer orders with these words."""
        said = await self._chat(words, tools=[ORDER_TOOL], tool_choice="required")
        return Order(**json.loads(said["tool_calls"][0]["function"]["arguments"]))

    async def pay(self, order: Order) -> str:
        """The payment's id, once it is paid."""
        paid = await self._http.post(
            PAY_URL,
            headers={
                "authorization": f"Bearer {os.environ.get('STRIPE_API_KEY', 'none')}",
                "idempotency-key": str(uuid.uuid4()),
            },
            data={
                "amount": str(order.amount_minor),
                "currency": order.currency,
                "payment_method": "pm_card_visa",
                "payment_method_types[]": "card",
                "confirm": "true",
            },
        )
        return str(paid.raise_for_status().json()["id"])

    async def thank(self, order: Order) -> str:
        """What the customer is told in the end."""
        said = await self._chat(f"Thank the customer for ordering {order.dish}.")
        return str(said["content"])

    async def _chat(self, words: str, **more: object) -> dict[str, Any]:
        answer = await self._http.post(
            CHAT_URL,
            headers={"authorization": f"Bearer {os.environ.get('OPENAI_API_KEY', 'none')}"},
            json={
                "model": self._model,
                "messages": [{"role": "user", "content": words}],
                **more,
            },
        )
        said: dict[str, Any] = answer.raise_for_status().json()["choices"][0]["message"]
        return said
