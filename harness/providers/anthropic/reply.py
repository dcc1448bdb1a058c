"""What the Anthropic Messages wire answers, whole and streamed; it knows no headers and no keys.

Source: see anthropic.py. A field that a kind of event does not have is unset, as the wire tells
"left out" from null. Kinds of events, blocks and deltas that are new to us are passed over, as the
vendor demands of clients.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType, structs

from harness.providers import chat, sse
from harness.providers.anthropic.ask import Block, own, tool_call, tool_use
from harness.providers.call import Malformed, late_fault, parse
from harness.providers.chat import Finish, Reply

PART = 23
"""Characters of a tool call's arguments in one event. It is no divisor of anything, so that the
cuts fall within keys, numbers and escapes, as the API's do."""

StopReason = Literal[
    "end_turn",
    "max_tokens",
    "stop_sequence",
    "tool_use",
    "pause_turn",
    "refusal",
    "model_context_window_exceeded",
]


class TokenDetails(msgspec.Struct):
    thinking_tokens: int = 0


class Usage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = 0
    cache_read_input_tokens: int | None = 0
    service_tier: str | None = "standard"
    output_tokens_details: TokenDetails | None = None


class Message(msgspec.Struct):
    id: str
    model: str
    content: list[Block]
    type: Literal["message"] = "message"
    role: Literal["assistant"] = "assistant"
    stop_reason: StopReason | None = None
    stop_sequence: str | None = None
    usage: Usage | None = None


class ApiError(msgspec.Struct):
    type: str
    message: str = ""


class ErrorBody(msgspec.Struct):
    error: ApiError
    type: str = "error"
    request_id: str | UnsetType | None = UNSET


class Delta(msgspec.Struct):
    """A part of a block, or what changed of the whole message, which has no type."""

    type: str | UnsetType = UNSET
    text: str | UnsetType = UNSET
    partial_json: str | UnsetType = UNSET
    thinking: str | UnsetType = UNSET
    signature: str | UnsetType = UNSET
    stop_reason: StopReason | UnsetType | None = UNSET
    stop_sequence: str | UnsetType | None = UNSET


class Event(msgspec.Struct):
    type: str
    message: Message | UnsetType = UNSET
    index: int | UnsetType = UNSET
    content_block: Block | UnsetType = UNSET
    delta: Delta | UnsetType = UNSET
    usage: Usage | UnsetType | None = UNSET
    error: ApiError | UnsetType = UNSET


class Kind(msgspec.Struct):
    """All that can be said of an event that is new to us."""

    type: str


ERRORS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""The status that each type of error has, where it does not come in mid-stream."""


# Written


def whole(reply: Reply) -> bytes:
    blocks = []
    if reply.reasoning:
        blocks.append(Block("thinking", thinking=reply.reasoning, signature=""))
    if reply.text:
        blocks.append(Block("text", text=reply.text))
    blocks += [tool_use(call) for call in reply.tool_calls]
    return msgspec.json.encode(_message(reply, blocks, _STOPS[reply.finish], _usage(reply.usage)))


def streamed(reply: Reply, pieces: Sequence[str]) -> list[bytes]:
    """The message without content and a ping; one chunk a piece; the stop and its reason. A block's
    start travels with its first event, and its stop with its last."""
    begun = structs.replace(reply.usage, completion=1, reasoning=0) if reply.usage else None
    message = _message(reply, [], None, _usage(begun))
    chunks = [event(Event("message_start", message=message)) + PING]
    for index, (block, deltas) in enumerate(_blocks(reply, pieces)):
        chunks += _chunks(index, block, deltas)
    delta = Delta(stop_reason=_STOPS[reply.finish], stop_sequence=None)
    stop = Event("message_delta", delta=delta, usage=_usage(reply.usage))
    return [*chunks, event(stop) + event(Event("message_stop"))]


def event(told: Event) -> bytes:
    return sse.encode_event(sse.Event(msgspec.json.encode(told).decode(), told.type))


PING = event(Event("ping"))


# Read


def of_whole(body: bytes) -> Reply:
    told = parse(body, Message)
    if not told.stop_reason:
        raise Malformed("a message without a stop reason")
    return _reply(told, told.content, told.stop_reason, [told.usage])


def of_stream(body: bytes) -> Reply:
    """The whole stream folded into one reply. A stream that ends early is Malformed: a text cut
    off in its middle must never pass for the model's answer."""
    fold = _Fold()
    for each in sse.decode_events(body):
        told = _read(each.data.encode())
        if told.type == "message_stop":
            return fold.reply()
        fold.add(told)
    raise Malformed("the stream ended before message_stop")


class _Fold:
    """Events of one stream, gathered into a reply."""

    def __init__(self) -> None:
        self._head: Message | None = None
        self._blocks: dict[int, Block] = {}
        self._stop: StopReason | None = None
        self._usages: list[Usage | None] = []

    def add(self, told: Event) -> None:
        if told.error:
            raise late_fault(ERRORS.get(told.error.type, 500), told.error.type)
        index = told.index or 0
        if told.type == "message_start" and told.message:
            self._head = told.message
            self._usages.append(told.message.usage)
        elif told.type == "content_block_start" and told.content_block:
            self._blocks[index] = told.content_block
        elif told.type == "content_block_delta" and told.delta:
            self._extend(index, told.delta)
        elif told.type == "message_delta" and told.delta:
            self._stop = told.delta.stop_reason or self._stop
            self._usages.append(told.usage or None)

    def _extend(self, index: int, delta: Delta) -> None:
        block = self._blocks.get(index)
        if block is None:
            raise Malformed("a delta of a block that was not started")
        block.text = (block.text or "") + (delta.text or "")
        block.partial_json = (block.partial_json or "") + (delta.partial_json or "")
        block.thinking = (block.thinking or "") + (delta.thinking or "")

    def reply(self) -> Reply:
        if self._head is None or self._stop is None:
            raise Malformed("a stream without a message or its stop reason")
        blocks = [block for _, block in sorted(self._blocks.items())]
        return _reply(self._head, blocks, self._stop, self._usages)


def _read(data: bytes) -> Event:
    try:
        return parse(data, Event)
    except Malformed:
        kind = parse(data, Kind).type
        if kind in _KINDS:
            raise
        return Event(kind)


def _reply(
    head: Message, blocks: Sequence[Block], stop: StopReason, usages: Sequence[Usage | None]
) -> Reply:
    text = "".join(block.text or "" for block in blocks if block.type == "text")
    return Reply(
        id=head.id,
        model=head.model,
        created=0,
        text=text or None,
        tool_calls=tuple(tool_call(block) for block in blocks if block.type == "tool_use"),
        finish=_FINISHES[stop],
        usage=_used([usage for usage in usages if usage]),
        reasoning="".join(block.thinking or "" for block in blocks if block.type == "thinking"),
    )


def _used(told: Sequence[Usage]) -> chat.Usage | None:
    """The counts are cumulative: the last that was told of each is the one that holds. What a
    cache gave or took is part of the prompt."""
    if not told:
        return None
    prompt = (
        _last(of.input_tokens for of in told)
        + _last(of.cache_creation_input_tokens for of in told)
        + _last(of.cache_read_input_tokens for of in told)
    )
    details = told[-1].output_tokens_details
    reasoning = details.thinking_tokens if details else 0
    return chat.Usage(prompt, _last(of.output_tokens for of in told), reasoning)


def _last(counts: Iterator[int | None]) -> int:
    return ([0] + [count for count in counts if count is not None])[-1]


def _message(reply: Reply, content: list[Block], stop: StopReason | None, usage: Usage) -> Message:
    return Message(own("msg_", reply.id), reply.model, content, stop_reason=stop, usage=usage)


def _blocks(reply: Reply, pieces: Sequence[str]) -> Iterator[tuple[Block, list[Delta]]]:
    """Each block as it starts, and what then comes of it."""
    if reply.reasoning:
        thought = Delta("thinking_delta", thinking=reply.reasoning)
        yield (
            Block("thinking", thinking="", signature=""),
            [thought, Delta("signature_delta", signature="")],
        )
    if pieces:
        yield Block("text", text=""), [Delta("text_delta", text=piece) for piece in pieces]
    for call in reply.tool_calls:
        text = call.arguments
        parts = ["", *(text[at : at + PART] for at in range(0, len(text), PART))]
        written = [Delta("input_json_delta", partial_json=part) for part in parts]
        yield tool_use(structs.replace(call, arguments="{}")), written


def _chunks(index: int, block: Block, deltas: Sequence[Delta]) -> list[bytes]:
    chunks = [event(Event("content_block_delta", index=index, delta=delta)) for delta in deltas]
    chunks[0] = event(Event("content_block_start", index=index, content_block=block)) + chunks[0]
    chunks[-1] += event(Event("content_block_stop", index=index))
    return chunks


def _usage(of: chat.Usage | None) -> Usage:
    """Usage is never left out on this wire."""
    if of is None:
        return Usage(0, 0)
    details = TokenDetails(of.reasoning) if of.reasoning else None
    return Usage(of.prompt, of.completion, output_tokens_details=details)


_KINDS = {
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
    "error",
}
_STOPS: dict[Finish, StopReason] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}
_FINISHES: dict[StopReason, Finish] = {
    **{stop: finish for finish, stop in _STOPS.items()},
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "model_context_window_exceeded": "length",
}
