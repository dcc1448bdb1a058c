"""What a model's answer costs: the tokens that it tells, in every dialect, at a price given.

It raises for no answer, whatever is in it: one that tells no tokens is None, and is then taken to
have cost what was set aside for it.
"""

from collections.abc import Iterator, Mapping

import msgspec

from harness.providers.call import UNREADABLE

MOST_UNTOLD = 4096
"""Tokens of an answer that the request sets no bound to, as set aside for it; what is told in the
end counts, more or less."""


Price = tuple[float, float]
"""US dollars for a million tokens in, and out."""


class Spent(msgspec.Struct, frozen=True):
    """Tokens: all that were read, cached ones too, and all that were written, thoughts too. `usd`
    is what the answer itself says that it cost, where one does."""

    tokens_in: int
    tokens_out: int
    usd: float = 0.0


def price_of(model: str, prices: Mapping[str, Price]) -> Price | None:
    """By the id that the wire has, or by what stands behind the vendor that a gateway puts before
    it."""
    return prices.get(model) or prices.get(model.rpartition("/")[2])


def cost_usd(price: Price, spent: Spent) -> float:
    counted = spent.tokens_in * price[0] + spent.tokens_out * price[1]
    return max(counted / 1e6, spent.usd)


def spent_in(body: bytes) -> Spent | None:
    """The most that any part of the answer tells: a stream tells it once, or more and more."""
    told = [spent for part in _parts(body) if (spent := _spent(part)) is not None]
    if not told:
        return None
    return Spent(
        max(each.tokens_in for each in told),
        max(each.tokens_out for each in told),
        max(each.usd for each in told),
    )


def _parts(body: bytes) -> Iterator[bytes]:
    """The JSON that may tell of usage: the whole of it, or lines of a stream."""
    body = body.strip()
    if body[:1] in (b"{", b"["):
        yield body
        return
    for line in body.splitlines():
        if b"sage" in line and line.startswith(b"data:"):
            yield line[5:]


def _spent(part: bytes) -> Spent | None:
    try:
        told = _DECODER.decode(part)
    except UNREADABLE:
        return None
    answer = told[-1] if isinstance(told, list) and told else told
    if isinstance(answer, list):
        return None
    if answer.usageMetadata is not None:
        return _of_gemini(answer.usageMetadata)
    inside = answer.message.usage if isinstance(answer.message, _Message) else None
    usage = answer.usage or inside
    return _of_others(usage) if usage is not None else None


def _of_gemini(of: "_GeminiUsage") -> Spent:
    tokens_in = of.promptTokenCount + of.toolUsePromptTokenCount
    return _spent_of(
        tokens_in, of.candidatesTokenCount + of.thoughtsTokenCount, of.totalTokenCount, 0.0
    )


def _of_others(of: "_Usage") -> Spent:
    """OpenAI counts cached tokens and thoughts in; Anthropic counts cached ones apart."""
    tokens_in = (of.prompt_tokens or 0) + (of.input_tokens or 0)
    tokens_in += (of.cache_creation_input_tokens or 0) + (of.cache_read_input_tokens or 0)
    tokens_out = (of.completion_tokens or 0) + (of.output_tokens or 0)
    return _spent_of(tokens_in, tokens_out, of.total_tokens or 0, of.cost or 0.0)


def _spent_of(tokens_in: int, tokens_out: int, total: int, usd: float) -> Spent:
    """What a total has besides is thoughts that a provider counts nowhere else."""
    tokens_in = max(tokens_in, 0)
    return Spent(tokens_in, max(tokens_out, total - tokens_in, 0), max(usd, 0.0))


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cost: float | None = None
    """OpenRouter's, in dollars."""


class _GeminiUsage(msgspec.Struct):
    promptTokenCount: int = 0
    candidatesTokenCount: int = 0
    thoughtsTokenCount: int = 0
    toolUsePromptTokenCount: int = 0
    totalTokenCount: int = 0


class _Message(msgspec.Struct):
    """Anthropic's message_start has what was read in here."""

    usage: _Usage | None = None


class _Told(msgspec.Struct):
    usage: _Usage | None = None
    usageMetadata: _GeminiUsage | None = None
    message: _Message | str | None = None


_DECODER = msgspec.json.Decoder(_Told | list[_Told])
