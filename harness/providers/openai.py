"""The OpenAI Chat Completions wire, JSON and streamed; it plays neither client nor server.

Source: the API reference of POST /chat/completions and the streaming chunks of openai-python 3.54.
A `Dialect` is one provider's way of speaking it; `OPENAI` is the original.
"""

from collections.abc import Sequence
from dataclasses import dataclass
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
    fault_of,
    parse,
)
from harness.providers.chat import (
    Ask,
    Finish,
    Message,
    Reply,
    Role,
    Schema,
    Served,
    Tool,
    ToolCall,
    Trouble,
    Usage,
)

PATH = "/chat/completions"


@dataclass(frozen=True, slots=True)
class Dialect:
    """One provider on this wire."""

    NAME: str
    BASE_PATH: str = "/v1"

    # Client side

    def chat(self, at: Endpoint, ask: Ask) -> Call[Reply]:
        request = httpx.Request(
            "POST",
            at.url(PATH),
            headers={
                "authorization": f"Bearer {at.key}",
                "content-type": "application/json",
                "accept": "text/event-stream" if ask.stream else "application/json",
            },
            content=msgspec.json.encode(_written(ask)),
        )
        return Call(self.NAME, request, decode_reply)

    # Server side

    def key_of(self, request: httpx.Request) -> str:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        return key.strip() if scheme.lower() == "bearer" else ""

    def decode_request(self, request: httpx.Request) -> Ask | Trouble:
        if request.method != "POST" or not request.url.path.endswith(PATH):
            told = f"Unknown request URL: {request.method} {request.url.path}."
            return Trouble(kind="not_found", message=told, code="unknown_url")
        try:
            wire = msgspec.json.decode(request.content, type=_Request)
        except UNREADABLE as error:
            return Trouble(kind="bad_request", message=f"We could not parse your request: {error}")
        if not wire.messages:
            told = "Invalid 'messages': empty array."
            return Trouble(kind="bad_request", message=told, param="messages", code="empty_array")
        return _read(wire)

    def encode_reply(self, reply: Reply) -> bytes:
        calls = [_WireCall(c.id, _WireFunction(c.name, c.arguments)) for c in reply.tool_calls]
        message = _AssistantMessage(content=reply.text, tool_calls=calls or None)
        choice = _Choice(message=message, finish_reason=reply.finish)
        return msgspec.json.encode(
            _Completion(reply.id, reply.model, reply.created, [choice], _usage(reply.usage))
        )

    def encode_stream(self, reply: Reply, pieces: Sequence[str], ask: Ask) -> list[bytes]:
        """An opening chunk with the role, one chunk a piece of text, two a tool call, then the
        finish, the usage where asked for, and the end mark, all three in one."""

        def chunk(choices: list["_StreamChoice"], usage: "_Usage | None" = None) -> bytes:
            wire = _Chunk(reply.id, reply.model, reply.created, choices, usage)
            return sse.encode_event(sse.Event(msgspec.json.encode(wire).decode()))

        chunks = [chunk([_StreamChoice(_Delta(role="assistant", content=""))])]
        chunks += [chunk([_StreamChoice(_Delta(content=piece))]) for piece in pieces]
        for index, call in enumerate(reply.tool_calls):
            head = _DeltaCall(index, call.id, "function", _DeltaFunction(call.name, ""))
            arguments = _DeltaCall(index, function=_DeltaFunction(arguments=call.arguments))
            chunks.append(chunk([_StreamChoice(_Delta(tool_calls=[head]))]))
            chunks.append(chunk([_StreamChoice(_Delta(tool_calls=[arguments]))]))
        closing = chunk([_StreamChoice(_Delta(), reply.finish)])
        usage = chunk([], _usage(reply.usage)) if ask.include_usage else b""
        return [*chunks, closing + usage + sse.encode_event(sse.Event("[DONE]"))]

    def encode_keep_alive(self, stream: bool) -> bytes:
        return b""

    def encode_trouble(self, trouble: Trouble) -> tuple[int, dict[str, str], bytes]:
        status, kind = _TROUBLES[trouble.kind]
        code = trouble.code or _CODES.get(trouble.kind)
        error = _ApiError(trouble.message, kind, trouble.param, code)
        headers = {"content-type": "application/json"}
        if trouble.retry_after_s:
            headers["retry-after"] = str(-int(-trouble.retry_after_s // 1))
        return status, headers, msgspec.json.encode(_ErrorBody(error))

    def encode_served(self, served: Served) -> dict[str, str]:
        return {"x-request-id": served.request_id}


OPENAI = Dialect("openai")


def decode_reply(status: int, headers: httpx.Headers, body: bytes) -> Reply:
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
    return Reply(
        id=wire.id,
        model=wire.model,
        created=wire.created,
        text=choice.message.content,
        tool_calls=calls,
        finish=choice.finish_reason,
        usage=_used(wire.usage),
        reasoning=choice.message.reasoning_content or "",
    )


def decode_stream(body: bytes) -> Reply:
    """The whole stream folded into one reply. A stream that ends early is Malformed: a text cut
    off in its middle must never pass for the model's answer."""
    fold = _Fold()
    for event in sse.decode_events(body):
        if event.data == "[DONE]":
            return fold.reply()
        fold.add(event.data)
    raise Malformed("the stream ended before [DONE]")


# The shapes on the wire


class _Part(msgspec.Struct):
    """A part of a message's content; parts that are no text are not read."""

    type: str
    text: str = ""


class _WireMessage(msgspec.Struct, omit_defaults=True):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[_Part] | None = None
    tool_calls: "list[_WireCall] | None" = None
    tool_call_id: str | None = None


class _FunctionSchema(msgspec.Struct):
    name: str
    description: str = ""
    parameters: msgspec.Raw = msgspec.Raw(b"{}")


class _WireTool(msgspec.Struct):
    function: _FunctionSchema
    type: Literal["function"] = "function"


class _FunctionName(msgspec.Struct):
    name: str


class _ToolChoice(msgspec.Struct):
    function: _FunctionName
    type: Literal["function"] = "function"


class _JsonSchema(msgspec.Struct):
    name: str
    schema: msgspec.Raw = msgspec.Raw(b"{}")
    strict: bool = True


class _ResponseFormat(msgspec.Struct, omit_defaults=True):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: _JsonSchema | None = None


class _StreamOptions(msgspec.Struct):
    include_usage: bool = False


class _Request(msgspec.Struct, omit_defaults=True):
    model: str
    messages: list[_WireMessage]
    tools: list[_WireTool] | None = None
    tool_choice: Literal["none", "auto", "required"] | _ToolChoice = "auto"
    response_format: _ResponseFormat | None = None
    max_completion_tokens: int | None = None
    max_tokens: int | None = None
    stream: bool | None = False
    stream_options: _StreamOptions | None = None


class _TokenDetails(msgspec.Struct):
    reasoning_tokens: int = 0


class _Usage(msgspec.Struct):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    completion_tokens_details: _TokenDetails | None = None


class _ApiError(msgspec.Struct):
    """The body of every answer that is not 2xx."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


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
    reasoning_content: str | None = None


class _Choice(msgspec.Struct):
    message: _AssistantMessage
    finish_reason: Finish
    index: int = 0


class _Completion(msgspec.Struct):
    id: str
    model: str
    created: int
    choices: list[_Choice]
    usage: _Usage | None = None
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
    finish_reason: Finish | None = None
    index: int = 0


class _Chunk(msgspec.Struct):
    id: str
    model: str
    created: int
    choices: list[_StreamChoice]
    usage: _Usage | None = None
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"


class _ErrorBody(msgspec.Struct):
    error: _ApiError


class _Fold:
    """Chunks of one stream, gathered into a reply."""

    def __init__(self) -> None:
        self._head: _Chunk | None = None
        self._texts: list[str] = []
        self._calls: dict[int, tuple[str, str, list[str]]] = {}
        self._finish: Finish | None = None
        self._usage: _Usage | None = None

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

    def reply(self) -> Reply:
        if self._head is None or self._finish is None:
            raise Malformed("a stream without a finish reason")
        calls = tuple(
            ToolCall(id_, name, "".join(arguments))
            for _, (id_, name, arguments) in sorted(self._calls.items())
        )
        head, text = self._head, "".join(self._texts)
        return Reply(
            id=head.id,
            model=head.model,
            created=head.created,
            text=text or None,
            tool_calls=calls,
            finish=self._finish,
            usage=_used(self._usage),
        )


_TROUBLES: dict[str, tuple[int, str]] = {
    "bad_request": (400, "invalid_request_error"),
    "unauthorized": (401, "invalid_request_error"),
    "not_found": (404, "invalid_request_error"),
    "too_large": (413, "invalid_request_error"),
    "rate_limited": (429, "requests"),
    "overloaded": (503, "server_error"),
}
_CODES = {"unauthorized": "invalid_api_key", "rate_limited": "rate_limit_exceeded"}
_ROLES: dict[str, Role] = {"developer": "system"}


def _written(ask: Ask) -> _Request:
    schema = ask.schema
    return _Request(
        model=ask.model,
        messages=[
            _WireMessage(
                message.role,
                message.text,
                [_WireCall(c.id, _WireFunction(c.name, c.arguments)) for c in message.tool_calls]
                or None,
                message.tool_call_id or None,
            )
            for message in ask.messages
        ],
        tools=[
            _WireTool(_FunctionSchema(tool.name, tool.description, tool.parameters))
            for tool in ask.tools
        ]
        or None,
        tool_choice=ask.tool_choice
        if ask.tool_choice in ("none", "auto", "required")
        else _ToolChoice(_FunctionName(ask.tool_choice)),  # type: ignore[arg-type]
        response_format=_ResponseFormat("json_schema", _JsonSchema(schema.name, schema.schema))
        if schema
        else None,
        max_completion_tokens=ask.max_tokens,
        stream=ask.stream,
        stream_options=_StreamOptions(True) if ask.stream and ask.include_usage else None,
    )


def _read(wire: _Request) -> Ask:
    choice, form = wire.tool_choice, wire.response_format
    return Ask(
        model=wire.model,
        messages=[
            Message(
                _ROLES.get(message.role, message.role),  # type: ignore[arg-type]
                _text(message.content),
                tuple(
                    ToolCall(call.id, call.function.name, call.function.arguments)
                    for call in message.tool_calls or ()
                ),
                message.tool_call_id or "",
            )
            for message in wire.messages
        ],
        tools=[
            Tool(tool.function.name, tool.function.description, tool.function.parameters)
            for tool in wire.tools or ()
        ],
        tool_choice=choice.function.name if isinstance(choice, _ToolChoice) else choice,
        schema=Schema(form.json_schema.name, form.json_schema.schema)
        if form and form.json_schema
        else None,
        max_tokens=wire.max_completion_tokens or wire.max_tokens,
        stream=bool(wire.stream),
        include_usage=bool(wire.stream_options and wire.stream_options.include_usage),
    )


def _text(content: str | list[_Part] | None) -> str:
    if isinstance(content, list):
        return "\n".join(part.text for part in content if part.text)
    return content or ""


def _usage(of: Usage | None) -> _Usage | None:
    if of is None:
        return None
    return _Usage(of.prompt, of.completion, of.prompt + of.completion, _TokenDetails(of.reasoning))


def _used(of: _Usage | None) -> Usage | None:
    if of is None:
        return None
    details = of.completion_tokens_details
    return Usage(of.prompt_tokens, of.completion_tokens, details.reasoning_tokens if details else 0)


def _fault(status: int, body: bytes) -> ProviderFault:
    error = _error(body)
    what = f"{error.type} {error.code or ''}".rstrip() if error else "without an error body"
    return fault_of(status, f"{status} {what}")


def _error(body: bytes) -> _ApiError | None:
    try:
        return parse(body, _ErrorBody).error
    except Malformed:
        return None
