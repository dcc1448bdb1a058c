"""What is asked on the OpenAI wire: the request's shapes, and their meaning; it knows no rule.

Source: the API reference of POST /chat/completions and openai-python 3.57. A field that has no part
in what is answered is not read, unless it is one that a rule of a provider refuses.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from harness.providers.chat import Ask, Message, Role, Schema, Tool, ToolCall

SCHEMA_WORDS = "Answer with JSON only, and let it keep this JSON schema: "
"""How a schema is told to a provider that takes none but knows JSON mode."""

ANY_OBJECT = msgspec.Raw(b'{"type":"object"}')


class Part(msgspec.Struct, gc=False):
    """A part of a message's content; parts that are no text are not read."""

    type: str
    text: str = ""


class CalledFunction(msgspec.Struct, gc=False):
    name: str
    arguments: str


class Called(msgspec.Struct, gc=False):
    id: str
    function: CalledFunction
    type: Literal["function"] = "function"


class WireMessage(msgspec.Struct, omit_defaults=True, gc=False):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[Part] | None = None
    tool_calls: list[Called] | None = None
    tool_call_id: str | None = None


class Function(msgspec.Struct, omit_defaults=True, gc=False):
    name: str
    description: str | None = None
    parameters: msgspec.Raw = msgspec.Raw(b"{}")
    strict: bool | None = None


class WireTool(msgspec.Struct, gc=False):
    function: Function
    type: Literal["function"] = "function"


class FunctionName(msgspec.Struct, gc=False):
    name: str


class ToolChoice(msgspec.Struct, gc=False):
    function: FunctionName
    type: Literal["function"] = "function"


Choice = Literal["none", "auto", "required", "any"]
"""`any` is Mistral's older word for required."""


class JsonSchema(msgspec.Struct, omit_defaults=True, gc=False):
    name: str
    schema: msgspec.Raw = ANY_OBJECT
    strict: bool | None = None


class ResponseFormat(msgspec.Struct, omit_defaults=True, gc=False):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class StreamOptions(msgspec.Struct, gc=False):
    include_usage: bool | None = None


class Request(msgspec.Struct, omit_defaults=True, gc=False):
    model: str
    messages: list[WireMessage]
    tools: list[WireTool] | None = None
    tool_choice: Choice | ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    max_completion_tokens: int | None = None
    max_tokens: int | None = None
    n: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None


class Frame(msgspec.Struct, frozen=True, gc=False):
    """A request's JSON around its list of messages, and the messages that come first in it."""

    before: bytes
    after: bytes
    first: tuple[WireMessage, ...] = ()

    def around(self, messages: Sequence[Message]) -> bytes:
        told = _written_messages(messages)
        if self.first:
            told = [*self.first, *told]
        return b"%b%b%b" % (self.before, msgspec.json.encode(told), self.after)


def frame_of(wire: Request, extra: bytes) -> Frame:
    """What is around the messages of this request; `extra` are JSON members besides."""
    before = b'{"model":%b,"messages":' % msgspec.json.encode(wire.model)
    first, wire.messages = tuple(wire.messages), []
    after = msgspec.json.encode(wire)[len(before) + len(b"[]") :]
    return Frame(before, b"%b,%b}" % (after[:-1], extra) if extra else after, first)


def written(ask: Ask) -> Request:
    """As OpenAI itself wants it."""
    schema, choice = ask.schema, ask.tool_choice
    return Request(
        model=ask.model,
        messages=_written_messages(ask.messages),
        tools=[
            WireTool(Function(tool.name, tool.description or None, tool.parameters))
            for tool in ask.tools
        ]
        or None,
        tool_choice=_choice(choice) if ask.tools and choice != "auto" else None,
        response_format=ResponseFormat(
            "json_schema", JsonSchema(schema.name, schema.schema, strict=True)
        )
        if schema
        else None,
        max_completion_tokens=ask.max_tokens,
        stream=ask.stream or None,
        stream_options=StreamOptions(True) if ask.stream and ask.include_usage else None,
    )


def _written_messages(messages: Sequence[Message]) -> list[WireMessage]:
    return [
        WireMessage(
            message.role,
            message.text or (None if message.tool_calls else ""),
            _called(message.tool_calls) if message.tool_calls else None,
            message.tool_call_id or None,
        )
        for message in messages
    ]


def _called(calls: Sequence[ToolCall]) -> list[Called]:
    return [Called(call.id, CalledFunction(call.name, call.arguments)) for call in calls]


def schema_in_words(wire: Request) -> None:
    """Change the request to one for a provider that takes no schema: it is told in a message."""
    form = wire.response_format
    if form is not None and form.json_schema is not None:
        words = SCHEMA_WORDS + bytes(form.json_schema.schema).decode()
        wire.messages.insert(0, WireMessage("system", words))
        wire.response_format = ResponseFormat("json_object")


def read(wire: Request) -> Ask:
    choice = wire.tool_choice
    return Ask(
        wire.model,
        [
            Message(
                _ROLES[message.role],
                text_of(message.content),
                _calls(message.tool_calls) if message.tool_calls else (),
                message.tool_call_id or "",
            )
            for message in wire.messages
        ],
        [
            Tool(tool.function.name, tool.function.description or "", tool.function.parameters)
            for tool in wire.tools
        ]
        if wire.tools
        else (),
        choice.function.name if isinstance(choice, ToolChoice) else _MEANT[choice],
        _schema(wire, wire.response_format) if wire.response_format else None,
        wire.max_completion_tokens or wire.max_tokens,
        bool(wire.stream),
        bool(wire.stream_options and wire.stream_options.include_usage),
    )


def text_of(content: str | Sequence[Part] | None) -> str:
    if isinstance(content, str):
        return content
    if content is None:
        return ""
    return "\n".join(part.text for part in content if part.text)


def _calls(called: Sequence[Called]) -> tuple[ToolCall, ...]:
    return tuple(
        [ToolCall(call.id, call.function.name, call.function.arguments) for call in called]
    )


def _schema(wire: Request, form: ResponseFormat) -> Schema | None:
    if form.type == "text":
        return None
    if form.type == "json_schema" and form.json_schema:
        return Schema(form.json_schema.name, form.json_schema.schema)
    for message in wire.messages:
        words = text_of(message.content)
        if words.startswith(SCHEMA_WORDS):
            told = words.removeprefix(SCHEMA_WORDS).encode("utf-8", "replace")
            return Schema("told", msgspec.Raw(told))
    return Schema("any", ANY_OBJECT)


def _choice(name: str) -> Choice | ToolChoice:
    if name in ("none", "required"):
        return "none" if name == "none" else "required"
    return ToolChoice(FunctionName(name))


_MEANT: dict[Choice | None, str] = {
    None: "auto", "none": "none", "auto": "auto", "required": "required", "any": "required",
}  # fmt: skip
_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}
