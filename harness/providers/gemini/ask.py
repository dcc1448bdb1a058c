"""What is asked on the Gemini generateContent wire: its shapes and what they mean.

Source: see gemini.py. The wire is JSON of protocol buffers: a field may be spelled in camel or in
snake case (Google's own SDK sends both in one body), null stands for "left out", and an object for
a list of one (as in Google's own examples). Fields that we do not know are accepted and not read.

Tool calls have no ids here. They are named call_0, call_1, ... in the order they are written in,
and an answer belongs to the first call of its function that has none yet. Ids are not sent, as not
every version of the API takes them; one that comes is kept.
"""

import re
from collections.abc import Iterator, Sequence

import msgspec
from msgspec import UNSET, UnsetType

from harness.providers.call import UNREADABLE
from harness.providers.chat import Ask, Message, Schema, Tool, ToolCall

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

ANY_OBJECT = msgspec.Raw(b'{"type":"object"}')


class FunctionCall(msgspec.Struct):
    name: str
    args: msgspec.Raw = msgspec.Raw(b"{}")
    id: str | UnsetType = UNSET


class FunctionResponse(msgspec.Struct):
    name: str
    response: dict[str, object] = {}
    id: str | UnsetType = UNSET


class Part(msgspec.Struct, rename="camel", omit_defaults=True):
    text: str | None = None
    thought: bool = False
    function_call: FunctionCall | None = None
    function_response: FunctionResponse | None = None


class Content(msgspec.Struct, omit_defaults=True):
    parts: list[Part] = []
    role: str = ""


class Declaration(msgspec.Struct, rename="camel", omit_defaults=True):
    name: str
    description: str = ""
    parameters: msgspec.Raw | UnsetType = UNSET
    parameters_json_schema: msgspec.Raw | UnsetType = UNSET


class Tools(msgspec.Struct, rename="camel"):
    function_declarations: list[Declaration] = []


class CallingConfig(msgspec.Struct, rename="camel", omit_defaults=True):
    mode: str = "AUTO"
    allowed_function_names: list[str] = []


class ToolConfig(msgspec.Struct, rename="camel"):
    function_calling_config: CallingConfig | None = None


class GenerationConfig(msgspec.Struct, rename="camel", omit_defaults=True):
    max_output_tokens: int | None = None
    response_mime_type: str = ""
    response_schema: msgspec.Raw | UnsetType = UNSET
    response_json_schema: msgspec.Raw | UnsetType = UNSET
    preview_json_schema: msgspec.Raw | UnsetType = msgspec.field(
        default=UNSET, name="_responseJsonSchema"
    )


class Request(msgspec.Struct, rename="camel", omit_defaults=True):
    contents: list[Content] = []
    system_instruction: Content | None = None
    tools: list[Tools] = []
    tool_config: ToolConfig | None = None
    generation_config: GenerationConfig | None = None


class Wrong(ValueError):
    """The request breaks a rule of the API; the text is the API's own."""


def written(ask: Ask) -> Request:
    schema = ask.schema
    config = GenerationConfig(
        max_output_tokens=ask.max_tokens,
        response_mime_type="application/json" if schema else "",
        response_json_schema=schema.schema if schema else UNSET,
    )
    system = [Part(text=message.text) for message in ask.messages if message.role == "system"]
    declared = [
        Declaration(tool.name, tool.description, parameters_json_schema=tool.parameters)
        for tool in ask.tools
    ]
    return Request(
        contents=list(_contents(ask.messages)),
        system_instruction=Content(system) if system else None,
        tools=[Tools(declared)] if declared else [],
        tool_config=_tool_config(ask) if declared else None,
        generation_config=config,
    )


def decode(body: bytes) -> Request:
    """Raises what UNREADABLE names; the body is read twice, to have it in one spelling."""
    body.decode()  # What is kept unread in the shapes must be UTF-8 too.
    return msgspec.json.decode(
        msgspec.json.encode(_camelled(msgspec.json.decode(body))), type=Request
    )


def read(model: str, stream: bool, wire: Request) -> Ask:
    """What the request asks, or Wrong."""
    if not wire.contents:
        raise Wrong("* GenerateContentRequest.contents: contents is not specified")
    config = wire.generation_config or GenerationConfig()
    system = _text(wire.system_instruction.parts) if wire.system_instruction else ""
    tools = [
        Tool(of.name, of.description, of.parameters_json_schema or of.parameters or ANY_OBJECT)
        for group in wire.tools
        for of in group.function_declarations
    ]
    choice, tools = _chosen(wire.tool_config, tools)
    return Ask(
        model=model,
        messages=[*([Message("system", system)] if system else []), *_messages(wire.contents)],
        tools=tools,
        tool_choice=choice,
        schema=_schema(config),
        max_tokens=config.max_output_tokens,
        stream=stream,
        include_usage=True,
    )


def call_of(name: str, arguments: str) -> Part | None:
    """A part that calls a function, None where the arguments are no JSON object: this wire has no
    way to write such a call."""
    try:
        if isinstance(msgspec.json.decode(arguments), dict):
            return Part(function_call=FunctionCall(name, msgspec.Raw(arguments.encode())))
    except UNREADABLE:
        pass
    return None


def calls_in(parts: Sequence[Part], before: int = 0) -> list[ToolCall]:
    """The calls of these parts; `before` is how many calls came earlier."""
    calls = [part.function_call for part in parts if part.function_call]
    return [
        ToolCall(call.id or f"call_{n}", call.name, bytes(call.args).decode("utf-8", "replace"))
        for n, call in enumerate(calls, before)
    ]


def _contents(messages: Sequence[Message]) -> Iterator[Content]:
    """The answers to one turn's calls make up one turn, as the API demands."""
    names: dict[str, str] = {}
    answers: list[Part] = []
    for message in messages:
        if message.role == "tool":
            name = names.get(message.tool_call_id, message.tool_call_id)
            response = FunctionResponse(name, {"result": message.text})
            answers.append(Part(function_response=response))
            continue
        if answers:
            yield Content(answers, "user")
            answers = []
        if message.role == "assistant":
            names |= {call.id: call.name for call in message.tool_calls}
            calls = [call_of(call.name, call.arguments) for call in message.tool_calls]
            said = [Part(text=message.text)] if message.text or not calls else []
            yield Content([*said, *(part for part in calls if part)], "model")
        elif message.role == "user":
            yield Content([Part(text=message.text)], "user")
    if answers:
        yield Content(answers, "user")


def _messages(contents: Sequence[Content]) -> Iterator[Message]:
    """Answers of functions first, each by itself, then what is said beside them."""
    count, unanswered = 0, list[ToolCall]()
    for content in contents:
        if content.role == "model":
            calls = calls_in(content.parts, count)
            count, unanswered = count + len(calls), unanswered + calls
            yield Message("assistant", _text(content.parts), tuple(calls))
            continue
        if content.role not in ("user", "function", ""):
            raise Wrong("Please use a valid role: user, model.")
        answers = [part.function_response for part in content.parts if part.function_response]
        for answer in answers:
            call = _answered(answer, unanswered)
            unanswered.remove(call)
            yield Message("tool", _answer(answer.response), (), call.id)
        text = _text(content.parts)
        if text or not answers:
            yield Message("user", text)


def _answered(answer: FunctionResponse, unanswered: Sequence[ToolCall]) -> ToolCall:
    for call in unanswered:
        if call.id == answer.id or (not answer.id and call.name == answer.name):
            return call
    raise Wrong(
        "Please ensure that function response turn comes immediately after a function call turn."
    )


def _answer(response: dict[str, object]) -> str:
    if len(response) == 1 and isinstance(text := response.get("result"), str):
        return text
    return msgspec.json.encode(response).decode()


def _text(parts: Sequence[Part]) -> str:
    return "".join(part.text for part in parts if part.text and not part.thought)


def _tool_config(ask: Ask) -> ToolConfig | None:
    if ask.tool_choice == "auto":
        return None
    if ask.tool_choice == "none":
        return ToolConfig(CallingConfig("NONE"))
    named = [] if ask.tool_choice == "required" else [ask.tool_choice]
    return ToolConfig(CallingConfig("ANY", named))


def _chosen(told: ToolConfig | None, tools: list[Tool]) -> tuple[str, list[Tool]]:
    """The choice, and the tools that it leaves."""
    config = (told.function_calling_config if told else None) or CallingConfig()
    mode, allowed = config.mode.upper(), config.allowed_function_names
    if mode not in ("ANY", "VALIDATED"):
        return ("none" if mode == "NONE" else "auto"), tools
    if not tools:
        raise Wrong("Function calling config is set without function_declarations.")
    if unknown := set(allowed) - {tool.name for tool in tools}:
        raise Wrong(
            f"allowed_function_names contains functions that are not declared: {min(unknown)}"
        )
    if mode == "ANY" and len(allowed) == 1:
        return allowed[0], tools
    left = [tool for tool in tools if not allowed or tool.name in allowed]
    return ("required" if mode == "ANY" else "auto"), left


def _schema(config: GenerationConfig) -> Schema | None:
    schema = config.response_json_schema or config.response_schema or config.preview_json_schema
    if not schema and config.response_mime_type != "application/json":
        return None
    return Schema("", schema or ANY_OBJECT)


_SNAKE = re.compile(r"(?<=[a-z0-9])_([a-z])")
_KEPT = {
    "args",
    "response",
    "parameters",
    "parametersJsonSchema",
    "responseSchema",
    "responseJsonSchema",
    "_responseJsonSchema",
}
"""What lies under these keys is the user's own: not even its nulls are touched."""

_LISTS = {"contents", "parts", "tools", "functionDeclarations"}


def _camelled(value: Json) -> Json:
    if isinstance(value, list):
        return [_camelled(item) for item in value]
    if not isinstance(value, dict):
        return value
    named = [(_SNAKE.sub(_upper, key), item) for key, item in value.items() if item is not None]
    return {key: item if key in _KEPT else _listed(key, _camelled(item)) for key, item in named}


def _listed(key: str, value: Json) -> Json:
    return [value] if key in _LISTS and isinstance(value, dict) else value


def _upper(found: re.Match[str]) -> str:
    return found[1].upper()
