"""A chat model's behaviour: reads a payment wish into a tool call, confirms an outcome in prose.

It understands the sentences that scenarios write and asks back at any other. Not modelled: wrong
answers, refusals, rate limits, prompt length (all cost no time), and queues under load.
"""

import re
from collections.abc import AsyncIterator, Mapping, Sequence

import httpx
import msgspec

from harness import draws
from harness.clock import Clock
from harness.providers import openai as wire
from harness.providers.told import TOLD_HEADER, DrawKey, Told, encode_told
from mocks.latency import Delays, hold
from mocks.leaks import count_secrets
from mocks.profile import ModelProfile, TokenLatency

CHARACTERS_A_TOKEN = 4
"""OpenAI's own rule of thumb for English."""
CHUNK_TOKENS = 10
"""Tokens sent at once. Real streams send one to a few; the total time is the same."""

WISH = re.compile(
    r"pay (?P<amount>\d+\.\d{2}) (?P<currency>[A-Z]{3}) "
    r"to (?P<payee>[\w-]+) with my (?P<method>\w+)"
)
FACTS = re.compile(
    r"Payment (?P<reference>\w+): (?P<amount>\d+\.\d{2}) (?P<currency>[A-Z]{3}) "
    r"to (?P<payee>[\w-]+) with (?P<method>\w+): (?P<state>\w+)"
)


class OpenAi:
    """A mock is a function of a request; it keeps no state but a count for its ids."""

    def __init__(
        self, clock: Clock, seed: int, models: Mapping[str, ModelProfile], *, api_key: str
    ) -> None:
        self._clock = clock
        self._delays = Delays(seed, wire.NAME)
        self._models = models
        self._api_key = api_key

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        arrived = self._clock.now()
        asked = wire.decode_request(request)
        if wire.bearer(request) != self._api_key:
            asked = wire.ApiError(
                "Incorrect API key provided.", "invalid_request_error", None, "invalid_api_key"
            )
            return _error(401, asked)
        if isinstance(asked, wire.ApiError):
            return _error(404 if asked.code == "unknown_url" else 400, asked)
        if asked.model not in self._models:
            missing = f"The model `{asked.model}` does not exist."
            return _error(
                404, wire.ApiError(missing, "invalid_request_error", None, "model_not_found")
            )
        return await self._answer(asked, self._delays.key(request), arrived)

    async def _answer(
        self, asked: wire.ChatRequest, key: DrawKey, arrived: float
    ) -> httpx.Response:
        latency = self._models[asked.model].latency
        reply = _reply(asked, key, int(arrived))
        ttft_s = self._delays.ttft_s(key, latency)
        whole_s = ttft_s + _decode_s(reply, latency)
        leaks = sum(count_secrets(message.content or "") for message in asked.messages)
        told = encode_told(Told(round(whole_s * 1e3, 3), 0.0, leaks))
        if not asked.stream:
            await hold(self._clock, arrived, whole_s)
            headers = {"content-type": "application/json", TOLD_HEADER: told}
            return httpx.Response(200, headers=headers, content=wire.encode_reply(reply))
        await hold(self._clock, arrived, ttft_s)
        usage = asked.stream_options is not None and asked.stream_options.include_usage
        pieces = _pieces(reply.text or "")
        chunks = list(wire.encode_chunks(reply, pieces, include_usage=usage))
        headers = {"content-type": "text/event-stream; charset=utf-8", TOLD_HEADER: told}
        stream = _Paced(self._clock, arrived + ttft_s, arrived + whole_s, chunks)
        return httpx.Response(200, headers=headers, stream=stream)


class _Paced(httpx.AsyncByteStream):
    """The opening chunk at once, the rest at even steps, the last exactly at the end."""

    def __init__(self, clock: Clock, start: float, end: float, chunks: Sequence[bytes]) -> None:
        self._clock, self._start, self._end, self._chunks = clock, start, end, chunks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        # The finish travels with the last piece: both leave when the last token is made.
        opening, *pieces, finish = self._chunks
        yield opening
        steps = [*pieces[:-1], b"".join(pieces[-1:]) + finish]
        for n, chunk in enumerate(steps, 1):
            await self._clock.sleep_until(self._start + (self._end - self._start) * n / len(steps))
            yield chunk


def _reply(asked: wire.ChatRequest, key: DrawKey, created: int) -> wire.ChatReply:
    said = asked.messages[-1].content or ""
    text, calls = _think(said, asked.tools)
    prompt = sum(_tokens(message.content or "") for message in asked.messages)
    output = _tokens(text or "") + sum(_tokens(c.name + c.arguments) for c in calls)
    return wire.ChatReply(
        id=f"chatcmpl-{key.conversation}-{key.turn}-{key.stage}-{key.attempt}",
        model=asked.model,
        created=created,
        text=text,
        tool_calls=calls,
        finish_reason="tool_calls" if calls else "stop",
        usage=wire.Usage(prompt, output, prompt + output),
    )


def _think(said: str, tools: Sequence[wire.Tool]) -> tuple[str | None, tuple[wire.ToolCall, ...]]:
    """A tool call when a tool is offered and the wish is understood, prose otherwise."""
    wish = WISH.search(said)
    if tools and wish:
        arguments = msgspec.json.encode({**wish.groupdict(), "wish": said}).decode()
        return None, (wire.ToolCall("call_0", tools[0].function.name, arguments),)
    facts = FACTS.search(said)
    if facts is None or facts["state"] not in _PROSE:
        return _ASK_BACK, ()
    return _PROSE[facts["state"]].format(**facts.groupdict()), ()


def _decode_s(reply: wire.ChatReply, latency: TokenLatency) -> float:
    tokens = reply.usage.completion_tokens if reply.usage else 0
    return draws.microseconds(tokens / latency.tokens_per_s)


def _tokens(text: str) -> int:
    return -(-len(text) // CHARACTERS_A_TOKEN)


def _pieces(text: str) -> list[str]:
    size = CHUNK_TOKENS * CHARACTERS_A_TOKEN
    return [text[at : at + size] for at in range(0, len(text), size)]


def _error(status: int, error: wire.ApiError) -> httpx.Response:
    headers = {"content-type": "application/json", TOLD_HEADER: encode_told(Told(0.0))}
    return httpx.Response(status, headers=headers, content=wire.encode_error(error))


_ASK_BACK = "Whom shall I pay, how much, and by which method? Say it in one sentence, please."
_CLOSING = (
    "Keep the reference {reference} if you want to ask about this payment later: I can look it up, "
    "tell you where it stands, or start a refund for you. Would you like to do anything else now?"
)
_PROSE = {
    "paid": (
        "All done! Your payment of {amount} {currency} to {payee} went through with your {method}, "
        "and the merchant has been told, so there is nothing left for you to do. "
    )
    + _CLOSING,
    "declined": (
        "I am sorry, your payment of {amount} {currency} to {payee} with your {method} was "
        "declined, and no money has left your account. You could try another payment method. "
    )
    + _CLOSING,
    "reversed": (
        "I could not make sure of your payment of {amount} {currency} to {payee} with your "
        "{method}, so I took it back, and no money has left your account. You may try again. "
    )
    + _CLOSING,
    "refunded": (
        "Your payment of {amount} {currency} to {payee} with your {method} was given back, and "
        "the money is on its way to your account; it may take a moment until you can see it. "
    )
    + _CLOSING,
    "unknown": (
        "I do not know yet whether your payment of {amount} {currency} to {payee} with your "
        "{method} went through. Please do not pay again: I will tell you as soon as I know. "
    )
    + _CLOSING,
}
