"""The same shop by the SDKs of OpenAI and of Stripe, for `tollbench compare shop.agent:buy`."""

import asyncio
import os

from openai import AsyncOpenAI, OpenAI
from stripe import HTTPXClient, StripeClient

WORDS = "Please pay 12.50 USD for a bowl of noodles."
THANKS = "Thank the customer for the order."
CARD = {
    "amount": 1250,
    "currency": "usd",
    "confirm": True,
    "payment_method": "pm_card_visa",
    "payment_method_types": ["card"],
}

MODELS = AsyncOpenAI(api_key=os.environ.get("OPENAI_API_KEY", "none"))
PAYMENTS = StripeClient(os.environ.get("STRIPE_API_KEY", "none"), http_client=HTTPXClient())


async def buy(turn, model: str = "gpt-4o", thank_early: bool = False):
    """By their async clients, which are built on httpx and need to be told nothing."""

    async def say(stage, words):
        with turn.stage(stage):
            said = [{"role": "user", "content": words}]
            await MODELS.chat.completions.create(model=model, messages=said)

    async def pay():
        with turn.stage("pay"):
            await PAYMENTS.v1.payment_intents.create_async(CARD)

    return await _in_order(say, pay, thank_early)


async def buy_in_threads(turn, model: str = "gpt-4o", thank_early: bool = False):
    """By their other clients, each in a thread, which take the base URL that the turn gives them:
    so does whatever is not built on httpx. This way there is on the real clock only."""

    async def say(stage, words):
        with turn.stage(stage):
            at = turn.endpoint("openai")  # Asked for here, so that its calls are of this stage.
            said = [{"role": "user", "content": words}]
            await asyncio.to_thread(_complete, at, model=model, messages=said)

    async def pay():
        with turn.stage("pay"):
            await asyncio.to_thread(_charge, turn.endpoint("stripe"))

    return await _in_order(say, pay, thank_early)


async def _in_order(say, pay, thank_early):
    await say("intent", WORDS)
    if thank_early:
        await asyncio.gather(pay(), say("confirm", THANKS))
    else:
        await pay()
        await say("confirm", THANKS)
    return "paid"


def _complete(at, **asked):
    with OpenAI(base_url=at.base_url, api_key=at.key) as models:
        models.chat.completions.create(**asked)


def _charge(at):
    payments = StripeClient(at.key, base_addresses={"api": at.base_url})
    payments.v1.payment_intents.create(CARD)
