"""What is asked on the Anthropic Messages wire: its shapes and what they mean; it makes no bytes.

Source: see anthropic.py. A field that a kind of block does not have is unset, as the wire tells
"left out" from null. Blocks of other kinds than these are accepted and not read.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from harness.providers.call import UNREADABLE
from harness.providers.chat import Ask, Role, Schema, Tool, ToolCall
from harness.providers.chat import Message as Said

Count = Annotated[int, msgspec.Meta(ge=0)]

INVALID = "INVALID_JSON"
"""Under this key stands, as the vendor advises, a tool's input that is no JSON object."""


class Block(msgspec.Struct):
    type: str
    text: str | UnsetType = UNSET
    id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    input: msgspec.Raw | UnsetType = UNSET
    tool_use_id: str | UnsetType = UNSET
    content: "str | list[Block] | dict[str, object] | UnsetType | None" = UNSET
    thinking: str | UnsetType = UNSET
    signature: str | UnsetType = UNSET
    partial_json: str | UnsetType = UNSET
    """Of a tool's block whose input comes in a stream."""


class Turn(msgspec.Struct):
    role: Literal["user", "assistant", "system"]
    content: str | list[Block]

    def blocks(self) -> list[Block]:
        return self.content if isinstance(self.content, list) else [Block("text", self.content)]


class WireTool(msgspec.Struct):
    name: str
    description: str = ""
    input_schema: msgspec.Raw = msgspec.Raw(b'{"type":"object"}')


class ToolChoice(msgspec.Struct, omit_defaults=True):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None


class Format(msgspec.Struct):
    type: Literal["json_schema"]
    schema: msgspec.Raw


class OutputConfig(msgspec.Struct):
    format: Format | None = None


class Request(msgspec.Struct, omit_defaults=True):
    """`output_format` is where the schema stood before `output_config` came."""

    model: str
    messages: list[Turn]
    max_tokens: Count
    system: str | list[Block] | None = None
    tools: list[WireTool] | None = None
    tool_choice: ToolChoice | None = None
    output_config: OutputConfig | None = None
    output_format: Format | None = None
    stream: bool | None = None
    temperature: msgspec.Raw | UnsetType = UNSET
    top_p: msgspec.Raw | UnsetType = UNSET
    top_k: msgspec.Raw | UnsetType = UNSET


def written(ask: Ask, max_tokens: int) -> Request:
    """The request that asks this. A system message may stand anywhere; all are sent as one."""
    system = [message.text for message in ask.messages if message.role == "system"]
    schema = ask.schema
    return Request(
        model=ask.model,
        messages=list(_turns(ask.messages)),
        max_tokens=max_tokens if ask.max_tokens is None else ask.max_tokens,
        system="\n\n".join(system) or None,
        tools=[WireTool(tool.name, tool.description, tool.parameters) for tool in ask.tools]
        or None,
        tool_choice=_choice(ask.tool_choice) if ask.tools else None,
        output_config=OutputConfig(Format("json_schema", schema.schema)) if schema else None,
        stream=ask.stream or None,
    )


def read(wire: Request) -> Ask:
    """What a request that breaks no rule asks."""
    form = (wire.output_config.format if wire.output_config else None) or wire.output_format
    system = [Said("system", _text(wire.system))] if wire.system else []
    return Ask(
        model=wire.model,
        messages=[*system, *(said for turn in wire.messages for said in _said(turn))],
        tools=[Tool(tool.name, tool.description, tool.input_schema) for tool in wire.tools or ()],
        tool_choice=_chosen(wire.tool_choice),
        schema=Schema("", form.schema) if form else None,
        max_tokens=wire.max_tokens,
        stream=bool(wire.stream),
        include_usage=True,
    )


def breach(wire: Request) -> str:
    """What the API would say is wrong with a request of the right shape, "" if nothing."""
    return next(_breaches(wire), "")


def tool_use(call: ToolCall) -> Block:
    return Block(
        "tool_use", id=own("toolu_", call.id), name=call.name, input=_object(call.arguments)
    )


def tool_call(block: Block) -> ToolCall:
    written = block.partial_json or _json(block.input)
    return ToolCall(block.id or "", block.name or "", written)


def own(prefix: str, id_: str) -> str:
    """An id as this API makes them: with its own prefix in place of another provider's."""
    return id_ if id_.startswith(prefix) else prefix + _FOREIGN.sub("", id_)


_FOREIGN = re.compile(r"^(chatcmpl-|call_)")
_NEEDS: dict[str, tuple[str, ...]] = {
    "text": ("text",),
    "tool_use": ("id", "name", "input"),
    "tool_result": ("tool_use_id",),
}
_CHOICES: dict[str, Literal["auto", "any", "none"]] = {
    "auto": "auto",
    "required": "any",
    "none": "none",
}


def _turns(messages: Sequence[Said]) -> Iterator[Turn]:
    """The results of one turn's tool calls make up one turn, as the API demands."""
    results: list[Block] = []
    for message in messages:
        if message.role == "tool":
            answered = own("toolu_", message.tool_call_id)
            results.append(Block("tool_result", tool_use_id=answered, content=message.text))
            continue
        if results:
            yield Turn("user", results)
            results = []
        if message.role == "assistant" and message.tool_calls:
            said = [Block("text", message.text)] if message.text else []
            yield Turn("assistant", [*said, *(tool_use(call) for call in message.tool_calls)])
        elif message.role != "system":
            yield Turn(message.role, message.text)
    if results:
        yield Turn("user", results)


def _said(turn: Turn) -> Iterator[Said]:
    """The results of tools first, each by itself, then what is said beside them."""
    blocks = turn.blocks()
    results = [block for block in blocks if block.type == "tool_result"]
    for block in results:
        content = block.content if isinstance(block.content, str | list) else None
        yield Said("tool", _text(content), (), block.tool_use_id or "")
    calls = tuple(tool_call(block) for block in blocks if block.type == "tool_use")
    text = _text(blocks)
    role: Role = turn.role
    if text or calls or not results:
        yield Said(role, text, calls)


def _text(content: str | list[Block] | None) -> str:
    if isinstance(content, list):
        return "\n".join(block.text for block in content if block.type == "text" and block.text)
    return content or ""


def _choice(of: str) -> ToolChoice:
    return ToolChoice(_CHOICES[of]) if of in _CHOICES else ToolChoice("tool", of)


def _chosen(choice: ToolChoice | None) -> str:
    if choice is None:
        return "auto"
    if choice.type == "tool":
        return choice.name or ""
    return "required" if choice.type == "any" else choice.type


def _breaches(wire: Request) -> Iterator[str]:
    if not wire.messages:
        yield "messages: at least one message is required"
    for n, turn in enumerate(wire.messages):
        for m, block in enumerate(turn.blocks()):
            for field in _NEEDS.get(block.type, ()):
                if getattr(block, field) is UNSET:
                    yield f"messages.{n}.content.{m}.{block.type}.{field}: Field required"
            if block.type == "tool_use" and not _json(block.input).lstrip().startswith("{"):
                where = f"messages.{n}.content.{m}.tool_use.input"
                yield f"{where}: Input should be a valid dictionary"
    yield from _unpaired(wire.messages)
    yield from _choice_breaches(wire)


def _unpaired(turns: Sequence[Turn]) -> Iterator[str]:
    """Each tool call is answered in the turn that follows it, and nothing else is answered."""
    open_: list[str] = []
    for n, turn in enumerate([*turns, Turn("user", "")]):
        answered = {b.tool_use_id for b in turn.blocks() if b.type == "tool_result"}
        if unknown := answered - set(open_):
            yield (
                f"messages.{n}: unexpected `tool_use_id` found in `tool_result` blocks: "
                f"{unknown.pop()}. Each `tool_result` block must have a corresponding `tool_use` "
                "block in the previous message."
            )
        if left := [id_ for id_ in open_ if id_ not in answered]:
            yield (
                f"messages.{n - 1}: `tool_use` ids were found without `tool_result` blocks "
                f"immediately after: {', '.join(left)}. Each `tool_use` block must have a "
                "corresponding `tool_result` block in the next message."
            )
        open_ = [b.id or "" for b in turn.blocks() if b.type == "tool_use"]


def _choice_breaches(wire: Request) -> Iterator[str]:
    choice, offered = wire.tool_choice, [tool.name for tool in wire.tools or ()]
    if choice is None or choice.type == "none":
        return
    if not offered:
        yield "tool_choice: may only be specified while providing tools"
    elif choice.type == "tool" and choice.name not in offered:
        yield f"tool_choice: Tool '{choice.name}' not found in provided tools"


def _object(arguments: str) -> msgspec.Raw:
    """The arguments as the JSON object that an input must be."""
    try:
        if isinstance(msgspec.json.decode(arguments), dict):
            return msgspec.Raw(arguments.encode())
    except UNREADABLE:
        pass
    return msgspec.Raw(msgspec.json.encode({INVALID: arguments}))


def _json(raw: msgspec.Raw | UnsetType) -> str:
    return bytes(raw).decode("utf-8", "replace") if raw is not UNSET else "{}"
