"""The OpenAI Chat Completions wire, JSON and streamed; it plays neither client nor server.

Source: the API reference of POST /chat/completions and the streaming chunks of openai-python 3.54.
Four functions, two a side: encode_request / decode_reply for the client, decode_request /
encode_reply for the server; streams have encode_chunks and decode_stream.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

import httpx
import msgspec

from harness.providers import sse
from harness.providers.call import (
    UNREADABLE,
    Call,
    Endpoint,
    Malformed,
    Overloaded,
    ProviderFault,
    parse,
)

NAME = "openai"
PATH = "/chat/completions"
OVERLOADED = frozenset({429, 500, 502, 503, 504, 529})

FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


class Message(msgspec.Struct, frozen=True):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | None = None


class FunctionSchema(msgspec.Struct, frozen=True):
    name: str
    description: str = ""
    parameters: msgspec.Raw = msgspec.Raw(b"{}")


class Tool(msgspec.Struct, frozen=True):
    function: FunctionSchema
    type: Literal["function"] = "function"


class FunctionName(msgspec.Struct, frozen=True):
    name: str


class ToolChoice(msgspec.Struct, frozen=True):
    """Forces a call of this one function."""

    function: FunctionName
    type: Literal["function"] = "function"


class StreamOptions(msgspec.Struct, frozen=True):
    include_usage: bool = False


class ChatRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the client asks. `tools` are function schemas; `tool_choice` is "none", "auto",
    "required" or one function."""

    model: str
    messages: Sequence[Message]
    tools: Sequence[Tool] = ()
    tool_choice: str | ToolChoice = "auto"
    max_completion_tokens: int | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None


class ToolCall(msgspec.Struct, frozen=True):
    """A call of one function; `arguments` is JSON text, as the model wrote it."""

    id: str
    name: str
    arguments: str


class Usage(msgspec.Struct, frozen=True):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ChatReply(msgspec.Struct, frozen=True):
    """What the model answered: text, or tool calls, and why it stopped."""

    id: str
    model: str
    created: int
    text: str | None
    tool_calls: Sequence[ToolCall]
    finish_reason: FinishReason
    usage: Usage | None


class ApiError(msgspec.Struct, frozen=True):
    """The body of every answer that is not 2xx."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


# Client side


def chat(at: Endpoint, request: ChatRequest) -> Call[ChatReply]:
    """Ask the model at this endpoint. An answer that is no ChatReply raises a ProviderFault."""
    return Call(NAME, encode_request(at, request), decode_reply)


def encode_request(at: Endpoint, request: ChatRequest) -> httpx.Request:
    return httpx.Request(
        "POST",
        at.url(PATH),
        headers={
            "authorization": f"Bearer {at.key}",
            "content-type": "application/json",
            "accept": "text/event-stream" if request.stream else "application/json",
        },
        content=msgspec.json.encode(request),
    )


def decode_reply(status: int, headers: httpx.Headers, body: bytes) -> ChatReply:
    if status != 200:
        raise _fault(status, body)
    if headers.get("content-type", "").startswith("text/event-stream"):
        return decode_stream(body)
    wire = parse(body, _Completion)
    if not wire.choices:
        raise Malformed("a completion without choices")
    choice = wire.choices[0]
    calls = tuple(
        ToolCall(call.id, call.function.name, call.function.arguments)
        for call in choice.message.tool_calls or ()
    )
    return ChatReply(
        wire.id, wire.model, wire.created, choice.message.content, calls,
        choice.finish_reason, wire.usage,
    )  # fmt: skip


def decode_stream(body: bytes) -> ChatReply:
    """The whole stream folded into one reply. A stream that ends early is Malformed: a text cut
    off in its middle must never pass for the model's answer."""
    fold = _Fold()
    for event in sse.decode_events(body):
        if event.data == "[DONE]":
            return fold.reply()
        fold.add(event.data)
    raise Malformed("the stream ended before [DONE]")


# Server side


def decode_request(request: httpx.Request) -> ChatRequest | ApiError:
    """The request as sent, or the error that the API would answer."""
    if request.method != "POST" or not request.url.path.endswith(PATH):
        return ApiError(
            f"Unknown request URL: {request.method} {request.url.path}.",
            "invalid_request_error", None, "unknown_url",
        )  # fmt: skip
    try:
        wire = msgspec.json.decode(request.content, type=ChatRequest)
    except UNREADABLE as error:
        return ApiError(f"We could not parse your request: {error}", "invalid_request_error")
    if not wire.messages:
        return ApiError(
            "Invalid 'messages': empty array.", "invalid_request_error", "messages", "empty_array"
        )
    return wire


def bearer(request: httpx.Request) -> str:
    """The key the client sent, "" if none."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def encode_reply(reply: ChatReply) -> bytes:
    calls = [_WireCall(c.id, _WireFunction(c.name, c.arguments)) for c in reply.tool_calls]
    message = _AssistantMessage(content=reply.text, tool_calls=calls or None)
    choice = _Choice(message=message, finish_reason=reply.finish_reason)
    return msgspec.json.encode(
        _Completion(reply.id, reply.model, reply.created, [choice], reply.usage)
    )


def encode_chunks(
    reply: ChatReply, pieces: Sequence[str], *, include_usage: bool = False
) -> Iterator[bytes]:
    """The stream of a reply: an opening chunk with the role, one chunk a piece of text, two a tool
    call, then the finish, the usage where asked for, and the end mark, all three in one.
    The pieces must join to `reply.text`."""

    def chunk(choices: list["_StreamChoice"], usage: Usage | None = None) -> bytes:
        wire = _Chunk(reply.id, reply.model, reply.created, choices, usage)
        return sse.encode_event(sse.Event(msgspec.json.encode(wire).decode()))

    yield chunk([_StreamChoice(_Delta(role="assistant", content=""))])
    for piece in pieces:
        yield chunk([_StreamChoice(_Delta(content=piece))])
    for index, call in enumerate(reply.tool_calls):
        head = _DeltaCall(index, call.id, "function", _DeltaFunction(call.name, ""))
        arguments = _DeltaCall(index, function=_DeltaFunction(arguments=call.arguments))
        yield chunk([_StreamChoice(_Delta(tool_calls=[head]))])
        yield chunk([_StreamChoice(_Delta(tool_calls=[arguments]))])
    closing = chunk([_StreamChoice(_Delta(), reply.finish_reason)])
    usage = chunk([], reply.usage) if include_usage else b""
    yield closing + usage + sse.encode_event(sse.Event("[DONE]"))


def encode_error(error: ApiError) -> bytes:
    return msgspec.json.encode({"error": error})


# The shapes on the wire


class _WireFunction(msgspec.Struct):
    name: str
    arguments: str


class _WireCall(msgspec.Struct):
    id: str
    function: _WireFunction
    type: Literal["function"] = "function"


class _AssistantMessage(msgspec.Struct):
    content: str | None = None
    tool_calls: list[_WireCall] | None = None
    role: Literal["assistant"] = "assistant"
    refusal: str | None = None


class _Choice(msgspec.Struct):
    message: _AssistantMessage
    finish_reason: FinishReason
    index: int = 0


class _Completion(msgspec.Struct):
    id: str
    model: str
    created: int
    choices: list[_Choice]
    usage: Usage | None = None
    object: Literal["chat.completion"] = "chat.completion"


class _DeltaFunction(msgspec.Struct, omit_defaults=True):
    name: str | None = None
    arguments: str | None = None


class _DeltaCall(msgspec.Struct, omit_defaults=True):
    index: int
    id: str | None = None
    type: Literal["function"] | None = None
    function: _DeltaFunction | None = None


class _Delta(msgspec.Struct, omit_defaults=True):
    role: str | None = None
    content: str | None = None
    tool_calls: list[_DeltaCall] | None = None


class _StreamChoice(msgspec.Struct):
    delta: _Delta
    finish_reason: FinishReason | None = None
    index: int = 0


class _Chunk(msgspec.Struct):
    id: str
    model: str
    created: int
    choices: list[_StreamChoice]
    usage: Usage | None = None
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"


class _ErrorBody(msgspec.Struct):
    error: ApiError


class _Fold:
    """Chunks of one stream, gathered into a reply."""

    def __init__(self) -> None:
        self._head: _Chunk | None = None
        self._texts: list[str] = []
        self._calls: dict[int, tuple[str, str, list[str]]] = {}
        self._finish: FinishReason | None = None
        self._usage: Usage | None = None

    def add(self, data: str) -> None:
        try:
            wire = parse(data.encode(), _Chunk)
        except Malformed:
            # Once the status is 200, trouble can only be told inside the stream.
            if error := _error(data.encode()):
                raise Overloaded(f"error in mid-stream: {error.type}") from None
            raise
        self._head = self._head or wire
        self._usage = wire.usage or self._usage
        for choice in wire.choices:
            self._finish = choice.finish_reason or self._finish
            if choice.delta.content:
                self._texts.append(choice.delta.content)
            for part in choice.delta.tool_calls or ():
                self._add_call(part)

    def _add_call(self, part: _DeltaCall) -> None:
        name = part.function.name if part.function else None
        if part.index not in self._calls:
            if part.id is None or name is None:
                raise Malformed("a tool call that starts without id and name")
            self._calls[part.index] = (part.id, name, [])
        if part.function and part.function.arguments:
            self._calls[part.index][2].append(part.function.arguments)

    def reply(self) -> ChatReply:
        if self._head is None or self._finish is None:
            raise Malformed("a stream without a finish reason")
        calls = tuple(
            ToolCall(id_, name, "".join(arguments))
            for _, (id_, name, arguments) in sorted(self._calls.items())
        )
        head, text = self._head, "".join(self._texts)
        return ChatReply(
            head.id, head.model, head.created, text or None, calls, self._finish, self._usage
        )


def _fault(status: int, body: bytes) -> ProviderFault:
    error = _error(body)
    what = f"{error.type} {error.code or ''}".rstrip() if error else "without an error body"
    told = f"{status} {what}"
    return Overloaded(told) if status in OVERLOADED else Malformed(told)


def _error(body: bytes) -> ApiError | None:
    try:
        return parse(body, _ErrorBody).error
    except Malformed:
        return None
