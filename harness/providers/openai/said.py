"""What a server writes on the OpenAI wire, whole and streamed; it reads nothing.

Source: the chat completion objects of the API reference and of openai-python 3.57. `Manner` holds
what the providers of the family add and leave out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from harness.providers import sse
from harness.providers.chat import Ask, Reply, ToolCall, Usage
from harness.providers.openai.ask import CalledFunction

DONE = sse.encode_json(b"[DONE]")
PART = 23
"""Characters of a tool call's arguments in one event. It is no divisor of anything, so that the
cuts fall within keys, numbers and escapes, as the API's do."""
THOUGHT = 40
"""Characters of a reasoning text in one event: ten tokens, as in those of the answer."""
FINGERPRINT = "fp_70116e4c00"


@dataclass(frozen=True, slots=True)
class Manner:
    """How a provider writes its answers."""

    full: bool = True
    """With the optional fields of OpenAI itself."""
    thinks_in: Literal["", "reasoning_content", "reasoning"] = ""
    """The field that shows what the model thought, "" where that is kept."""
    usage_in: Literal["asked", "always", "finish"] = "asked"
    """Whether a stream tells its usage in a chunk of its own where asked to, in one always, or in
    the chunk that finishes."""
    whole_calls: bool = False
    """A streamed tool call comes in one piece."""
    counts_cache: bool = False
    """With DeepSeek's two counts of prompt tokens, found in its cache and not."""


OWN = Manner()
"""OpenAI's own."""


def encode_reply(reply: Reply, manner: Manner) -> bytes:
    calls = [_SaidCall(c.id, CalledFunction(c.name, c.arguments)) for c in reply.tool_calls]
    said = _Said(reply.text, tool_calls=calls or UNSET)
    _think(said, reply.reasoning, manner)
    if manner.full:
        said.refusal, said.annotations = None, []
    choice = _SaidChoice(said, reply.finish)
    usage = _usage(reply.usage, manner)
    return _ENCODER.encode(
        _Completion(
            reply.id, reply.model, reply.created, [choice], usage, service_tier=_tier(manner)
        )
    )


def encode_stream(reply: Reply, pieces: Sequence[str], ask: Ask, manner: Manner) -> list[bytes]:
    """An opening chunk with the role; what was thought, where that is shown; one chunk a piece of
    text; one or more a tool call; then the finish, the usage where it is told, and the end mark,
    all three in one."""
    told = _usage(reply.usage, manner)
    apart = manner.usage_in == "always" or (manner.usage_in == "asked" and ask.include_usage)
    none_yet = None if apart else UNSET
    wire = _Chunk(
        reply.id, reply.model, reply.created, [_DeltaChoice(_Delta())], none_yet,
        service_tier=_tier(manner),
    )  # fmt: skip
    chunks = _framed(wire, reply, pieces, manner)
    wire.choices = [_DeltaChoice(_Delta(), reply.finish)]
    if manner.usage_in == "finish":
        wire.usage = told
    finish = _event(wire)
    if apart:
        wire.choices, wire.usage = [], told
        finish += _event(wire)
    chunks.append(finish + DONE)
    return chunks


def _framed(wire: "_Chunk", reply: Reply, pieces: Sequence[str], manner: Manner) -> list[bytes]:
    """A chunk for each delta. They share all else, which is encoded once, around an empty delta. No
    string within can be taken for that: a quote in JSON's strings is escaped."""
    head, mark, tail = _event(wire).partition(b'"delta":{}')
    head += mark[:-2]
    before, after = head + b'{"content":', b"}" + tail
    encode = _ENCODER.encode
    opening = _Delta(role="assistant", content="", refusal=None if manner.full else UNSET)
    chunks = [head + encode(opening) + tail]
    if manner.thinks_in and reply.reasoning:
        chunks += [head + encode(delta) + tail for delta in _thoughts(reply.reasoning, manner)]
    chunks += [before + encode(piece) + after for piece in pieces]
    if reply.tool_calls:
        chunks += [head + encode(delta) + tail for delta in _call_parts(reply.tool_calls, manner)]
    return chunks


def _event(wire: "_Chunk") -> bytes:
    return sse.encode_json(_ENCODER.encode(wire))


def _thoughts(text: str, manner: Manner) -> Iterator["_Delta"]:
    for at in range(0, len(text), THOUGHT):
        delta = _Delta()
        _think(delta, text[at : at + THOUGHT], manner)
        yield delta


def _call_parts(calls: Sequence[ToolCall], manner: Manner) -> Iterator["_Delta"]:
    for index, call in enumerate(calls):
        first = call.arguments if manner.whole_calls else ""
        head = _DeltaCall(index, call.id, "function", _DeltaFunction(call.name, first))
        yield _Delta(tool_calls=[head])
        for at in range(len(first), len(call.arguments), PART):
            part = _DeltaFunction(arguments=call.arguments[at : at + PART])
            yield _Delta(tool_calls=[_DeltaCall(index, function=part)])


def _think(said: "_Said | _Delta", text: str, manner: Manner) -> None:
    if text and manner.thinks_in == "reasoning":
        said.reasoning = text
    elif text and manner.thinks_in:
        said.reasoning_content = text


def _tier(manner: Manner) -> str | UnsetType:
    return "default" if manner.full else UNSET


def _usage(of: Usage | None, manner: Manner) -> "_Usage | None":
    if of is None:
        return None
    usage = _Usage(of.prompt, of.completion, of.prompt + of.completion)
    usage.prompt_tokens_details = _PromptDetails()
    usage.completion_tokens_details = _CompletionDetails(of.reasoning)
    if manner.counts_cache:
        usage.prompt_cache_hit_tokens, usage.prompt_cache_miss_tokens = 0, of.prompt
    return usage


# The shapes that a server writes; UNSET fields are left out


class _SaidCall(msgspec.Struct, gc=False):
    id: str
    function: CalledFunction
    type: str = "function"


class _Said(msgspec.Struct, gc=False):
    content: str | None
    role: str = "assistant"
    reasoning_content: str | UnsetType = UNSET
    reasoning: str | UnsetType = UNSET
    tool_calls: list[_SaidCall] | UnsetType = UNSET
    refusal: UnsetType | None = UNSET
    annotations: list[str] | UnsetType = UNSET


class _SaidChoice(msgspec.Struct, gc=False):
    message: _Said
    finish_reason: str
    index: int = 0
    logprobs: None = None


class _PromptDetails(msgspec.Struct, gc=False):
    cached_tokens: int = 0
    audio_tokens: int = 0


class _CompletionDetails(msgspec.Struct, gc=False):
    reasoning_tokens: int
    audio_tokens: int = 0
    accepted_prediction_tokens: int = 0
    rejected_prediction_tokens: int = 0


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: _PromptDetails | UnsetType = UNSET
    completion_tokens_details: _CompletionDetails | UnsetType = UNSET
    prompt_cache_hit_tokens: int | UnsetType = UNSET
    prompt_cache_miss_tokens: int | UnsetType = UNSET


class _Completion(msgspec.Struct, gc=False):
    id: str
    model: str
    created: int
    choices: list[_SaidChoice]
    usage: _Usage | None
    object: str = "chat.completion"
    service_tier: str | UnsetType = UNSET
    system_fingerprint: str = FINGERPRINT


class _DeltaFunction(msgspec.Struct, gc=False):
    name: str | UnsetType = UNSET
    arguments: str | UnsetType = UNSET


class _DeltaCall(msgspec.Struct, gc=False):
    index: int
    id: str | UnsetType = UNSET
    type: str | UnsetType = UNSET
    function: _DeltaFunction | UnsetType = UNSET


class _Delta(msgspec.Struct, gc=False):
    role: str | UnsetType = UNSET
    content: str | UnsetType = UNSET
    reasoning_content: str | UnsetType = UNSET
    reasoning: str | UnsetType = UNSET
    tool_calls: list[_DeltaCall] | UnsetType = UNSET
    refusal: UnsetType | None = UNSET


class _DeltaChoice(msgspec.Struct, gc=False):
    delta: _Delta
    finish_reason: str | None = None
    index: int = 0
    logprobs: None = None


class _Chunk(msgspec.Struct, gc=False):
    id: str
    model: str
    created: int
    choices: list[_DeltaChoice]
    usage: _Usage | UnsetType | None = UNSET
    object: str = "chat.completion.chunk"
    service_tier: str | UnsetType = UNSET
    system_fingerprint: str = FINGERPRINT


_ENCODER = msgspec.json.Encoder()
