"""The shapes of the Anthropic Messages wire and what they mean; it encodes no bytes.

Source: see anthropic.py. A field that a kind of block or event does not have is unset, as the wire
tells "left out" from null. Blocks of other kinds than these are accepted and not read.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from harness.providers.call import UNREADABLE
from harness.providers.chat import Ask, Message as Said, Role, Schema, Tool, ToolCall
from harness.providers.chat import Usage as Used

StopReason = Literal[
    "end_turn",
    "max_tokens",
    "stop_sequence",
    "tool_use",
    "pause_turn",
    "refusal",
    "model_context_window_exceeded",
]
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
    content: "str | list[Block] | None | UnsetType" = UNSET
    thinking: str | UnsetType = UNSET
    signature: str | UnsetType = UNSET
    partial_json: str | UnsetType = UNSET
    """Of a tool's block whose input comes in a stream."""


class Turn(msgspec.Struct):
    role: Literal["user", "assistant", "system"]
    content: str | list[Block]

    def blocks(self) -> list[Block]:
        return self.content if isinstance(self.content, list) else [Block("text", self.content)]


class WireTool(msgspec.Struct, omit_defaults=True):
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


class ErrorBody(msgspec.Struct, omit_defaults=True):
    error: ApiError
    type: str = "error"
    request_id: str | None = None


class Delta(msgspec.Struct):
    """A part of a block, or what changed of the whole message, which has no type."""

    type: str | UnsetType = UNSET
    text: str | UnsetType = UNSET
    partial_json: str | UnsetType = UNSET
    thinking: str | UnsetType = UNSET
    signature: str | UnsetType = UNSET
    stop_reason: StopReason | None | UnsetType = UNSET
    stop_sequence: str | None | UnsetType = UNSET


class Event(msgspec.Struct):
    type: str
    message: Message | UnsetType = UNSET
    index: int | UnsetType = UNSET
    content_block: Block | UnsetType = UNSET
    delta: Delta | UnsetType = UNSET
    usage: Usage | None | UnsetType = UNSET
    error: ApiError | UnsetType = UNSET
