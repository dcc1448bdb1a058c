"""What OpenAI, and who speaks like it, refuses in a request that has the right shape.

A rule is a function of the request; its answer is the trouble that the real API would name. Source:
the API reference, the guides on function calling and structured outputs, and answers of the API as
they stand in public issues; the words are shortened. It decodes nothing.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from operator import attrgetter

import msgspec

from harness.providers.call import UNREADABLE
from harness.providers.chat import Trouble
from harness.providers.openai.ask import Request, ToolChoice, WireMessage, text_of

Rule = Callable[[Request], Trouble | None]

DEEPEST = 50
"""How deep a strict schema may nest before it is refused unread; the API allows less."""


def bad(message: str, param: str | None = None, code: str | None = None) -> Trouble:
    return Trouble(kind="bad_request", message=message, param=param, code=code)


def shape_trouble(error: Exception) -> Trouble:
    """The trouble with a body that is no request. It never repeats what the body held."""
    if not isinstance(error, msgspec.ValidationError):
        return bad("We could not parse the JSON body of your request: it is not valid JSON.")
    what, _, where = str(error).partition(" - at `$")
    param = where.rstrip("`").lstrip(".")
    if missing := _MISSING.match(what):
        name = f"{param}.{missing[1]}" if param else missing[1]
        if name == "model":
            return bad("you must provide a model parameter")
        return bad(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")
    if expected := _EXPECTED.match(what):
        message = f"Invalid type for '{param}': expected {expected[1]}, but got {expected[2]}."
        return bad(message, param or None, "invalid_type")
    return bad(f"Invalid value for '{param}'.", param or None, "invalid_value")


def beside_options(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """Those of these rules that may refuse a request which sets no option, as most do."""
    return tuple(rule for rule in rules if rule not in _OF_OPTIONS)


def sets_an_option(wire: Request) -> bool:
    return not (
        wire.response_format is None
        and wire.max_completion_tokens is None
        and wire.max_tokens is None
        and wire.n is None
        and wire.temperature is None
        and wire.top_p is None
        and wire.presence_penalty is None
        and wire.frequency_penalty is None
    )


# Rules


def some_messages(wire: Request) -> Trouble | None:
    return None if wire.messages else _empty("messages")


def some_tools(wire: Request) -> Trouble | None:
    return _empty("tools") if wire.tools == [] else None


def numbers_in_range(wire: Request) -> Trouble | None:
    for value, (name, low, high) in zip(_NUMBERS(wire), _RANGES, strict=True):
        if value is None or low <= value <= high:
            continue
        kind = "integer" if isinstance(value, int) and low == 1 else "decimal"
        side, bound = ("below_min", low) if value < low else ("above_max", high)
        return bad(
            f"Invalid '{name}': expected a value {'>' if value < low else '<'}= {bound:g}.",
            name,
            f"{kind}_{side}_value",
        )
    return None


def one_answer(wire: Request) -> Trouble | None:
    if wire.n in (None, 1):
        return None
    message = "Unsupported value: 'n' must be 1 with this model."
    return bad(message, "n", "unsupported_value")


def one_bound(wire: Request) -> Trouble | None:
    if wire.max_tokens is None or wire.max_completion_tokens is None:
        return None
    message = "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."
    return bad(message, None, "invalid_parameter_combination")


def options_of_a_stream(wire: Request) -> Trouble | None:
    if wire.stream_options is None or wire.stream:
        return None
    message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
    return bad(message, "stream_options")


def a_tool_to_choose(wire: Request) -> Trouble | None:
    choice, tools = wire.tool_choice, wire.tools
    if choice is None:
        return None
    if not tools:
        message = "Invalid value for 'tool_choice': it is only allowed when 'tools' are specified."
        return bad(message, "tool_choice")
    if isinstance(choice, ToolChoice):
        if all(tool.function.name != choice.function.name for tool in tools):
            message = "Invalid value for 'tool_choice': no such function is among the 'tools'."
            return bad(message, "tool_choice")
    elif choice == "any":
        message = "Invalid value for 'tool_choice'. Supported: 'none', 'auto' and 'required'."
        return bad(message, "tool_choice", "invalid_value")
    return None


def content_where_due(wire: Request) -> Trouble | None:
    for n, message in enumerate(wire.messages):
        if message.content is None and message.role != "assistant":
            return bad(
                "Invalid value for 'content': expected a string, got null.",
                f"messages.[{n}].content",
            )
    return None


def answers_to_tool_calls(wire: Request) -> Trouble | None:
    """Every call is answered before anybody else speaks, and nothing that was not called."""
    open_calls: set[str] = set()
    for n, message in enumerate(wire.messages):
        if message.role == "tool":
            if message.tool_call_id not in open_calls:
                return bad(_NO_CALL, f"messages.[{n}].role")
            open_calls.discard(message.tool_call_id)
        elif open_calls:
            break
        elif message.tool_calls:
            open_calls = {call.id for call in message.tool_calls}
    return bad(_NO_ANSWER, "messages") if open_calls else None


def json_mode_is_told(wire: Request) -> Trouble | None:
    form = wire.response_format
    if form is None or form.type != "json_object" or _says_json(wire.messages):
        return None
    message = (
        "'messages' must contain the word 'json' in some form, "
        "to use 'response_format' of type 'json_object'."
    )
    return bad(message, "messages")


def a_schema_to_keep(wire: Request) -> Trouble | None:
    form = wire.response_format
    if form is None or form.type != "json_schema":
        return None
    param = "response_format.json_schema"
    if form.json_schema is None:
        return bad(f"Missing required parameter: '{param}'.", param, "missing_required_parameter")
    if not _is_name(form.json_schema.name):
        return bad(f"Invalid '{param}.name': {_PATTERN}", f"{param}.name", "invalid_value")
    return None


def strict_schemas(wire: Request) -> Trouble | None:
    """A schema that is to be kept strictly names all its fields and forbids all others."""
    form = wire.response_format
    if form and form.json_schema and form.json_schema.strict:
        wrong = breach(bytes(form.json_schema.schema))
        if wrong:
            name = form.json_schema.name
            told = f"Invalid schema for response_format '{name}': {wrong}"
            return bad(told, "response_format")
    return None


def tools_in_order(wire: Request) -> Trouble | None:
    for n, tool in enumerate(wire.tools or ()):
        function = tool.function
        if not _is_name(function.name):
            param = f"tools[{n}].function.name"
            return bad(f"Invalid '{param}': {_PATTERN}", param, "invalid_value")
        if function.strict and (wrong := breach(bytes(function.parameters))):
            param = f"tools[{n}].function.parameters"
            told = f"Invalid schema for function '{function.name}': {wrong}"
            return bad(told, param, "invalid_function_parameters")
    return None


@lru_cache(256)
def breach(schema: bytes) -> str:
    """What keeps this schema from being strict, "" if nothing."""
    try:
        root = msgspec.json.decode(schema)
    except UNREADABLE:
        return "schema must be valid JSON."
    if not isinstance(root, dict) or root.get("type") != "object":
        return "schema must be a JSON Schema of 'type: \"object\"'."
    return next(_breaches(root, (), 0), "")


def _breaches(schema: object, place: tuple[str, ...], depth: int) -> Iterator[str]:
    if depth > DEEPEST:
        yield "the schema nests too deep."
    elif isinstance(schema, list):
        for n, part in enumerate(schema):
            yield from _breaches(part, (*place, str(n)), depth + 1)
    elif isinstance(schema, dict):
        fields = schema.get("properties")
        if schema.get("type") == "object" or isinstance(fields, dict):
            yield from _object_breaches(schema, fields, place)
        for name in _WITHIN:
            if name in schema:
                yield from _breaches(schema[name], (*place, name), depth + 1)
        for name in ("properties", "$defs", "definitions"):
            parts = schema.get(name)
            for key, part in parts.items() if isinstance(parts, dict) else ():
                yield from _breaches(part, (*place, name, str(key)), depth + 1)


def _object_breaches(
    schema: dict[str, object], fields: object, place: tuple[str, ...]
) -> Iterator[str]:
    if schema.get("additionalProperties") is not False:
        yield f"In context={place}, 'additionalProperties' is required and must be false."
    required = schema.get("required")
    names = required if isinstance(required, list) else []
    for name in fields if isinstance(fields, dict) else ():
        if name not in names:
            yield (
                f"In context={place}, 'required' is required to be supplied and to be an array "
                f"including every key in properties. Missing '{name}'."
            )


@lru_cache(1024)
def _is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


def _empty(name: str) -> Trouble:
    message = f"Invalid '{name}': empty array. Expected an array with minimum length 1."
    return bad(message, name, "empty_array")


def _says_json(messages: Sequence[WireMessage]) -> bool:
    return any("json" in text_of(message.content).lower() for message in messages)


_MISSING = re.compile(r"Object missing required field `(\w+)`")
_EXPECTED = re.compile(r"Expected `([^`]+)`, got `([^`]+)`")
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_PATTERN = "expected a string that matches the pattern '^[a-zA-Z0-9_-]{1,64}$'."
_RANGES = (
    ("n", 1, 128),
    ("max_tokens", 1, float("inf")),
    ("max_completion_tokens", 1, float("inf")),
    ("temperature", 0, 2),
    ("top_p", 0, 1),
    ("presence_penalty", -2, 2),
    ("frequency_penalty", -2, 2),
)
_NUMBERS = attrgetter(*(name for name, _, _ in _RANGES))
_OF_OPTIONS: frozenset[Rule] = frozenset({
    numbers_in_range, one_answer, one_bound, a_schema_to_keep, json_mode_is_told, strict_schemas,
})  # fmt: skip
"""Those that refuse nothing where no option is set."""
_WITHIN = ("items", "prefixItems", "anyOf", "oneOf", "allOf", "additionalProperties")
_NO_CALL = (
    "Invalid parameter: messages with role 'tool' must be a response to a preceding message with "
    "'tool_calls'."
)
_NO_ANSWER = (
    "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
    "'tool_call_id'."
)

COMMON: tuple[Rule, ...] = (
    some_messages,
    numbers_in_range,
    one_answer,
    a_schema_to_keep,
    json_mode_is_told,
)
"""What everybody on this wire refuses."""

OPENAI: tuple[Rule, ...] = (
    *COMMON,
    some_tools,
    one_bound,
    options_of_a_stream,
    a_tool_to_choose,
    content_where_due,
    answers_to_tool_calls,
    tools_in_order,
    strict_schemas,
)
