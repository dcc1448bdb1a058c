"""What an agent and a chat model say to each other, whichever wire carries it; it encodes nothing.

The shape is that of OpenAI's function calling, which every other model wire can be mapped to: one
set of tools, one kind of tool call, one reply. A model wire is anything that keeps `ModelWire`.
"""

from collections.abc import Sequence
from typing import Literal, Protocol, runtime_checkable

import httpx
import msgspec

from harness.providers.call import Call, Endpoint

Role = Literal["system", "user", "assistant", "tool"]
Finish = Literal["stop", "length", "tool_calls", "content_filter"]


class ToolCall(msgspec.Struct, frozen=True, gc=False):
    """A call of one function; `arguments` is JSON text, as the model wrote it."""

    id: str
    name: str
    arguments: str


class Message(msgspec.Struct, frozen=True, gc=False):
    """`tool_calls` are an assistant's own; `tool_call_id` says which one a tool's text answers."""

    role: Role
    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""


class Tool(msgspec.Struct, frozen=True, gc=False):
    """A function that the model may call; `parameters` is its JSON schema."""

    name: str
    description: str
    parameters: msgspec.Raw


class Schema(msgspec.Struct, frozen=True, gc=False):
    """The JSON schema that the answer's text must keep."""

    name: str
    schema: msgspec.Raw


class Ask(msgspec.Struct, frozen=True, gc=False):
    """What the client wants of a model.

    `tool_choice` is "auto", "none", "required", or the name of the one function to call.
    `max_tokens` bounds the answer; a wire that demands a bound sends one of its own for None.
    """

    model: str
    messages: Sequence[Message]
    tools: Sequence[Tool] = ()
    tool_choice: str = "auto"
    schema: Schema | None = None
    max_tokens: int | None = None
    stream: bool = False
    include_usage: bool = False
    """OpenAI's wire tells the usage of a stream only when asked to."""

    def __hash__(self) -> int:
        return hash((self.model, self.tool_choice, self.stream))  # A Raw has no hash.


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Tokens read and written; `reasoning` are those written that the answer does not show."""

    prompt: int
    completion: int
    reasoning: int = 0


class Reply(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the model answered: text, or tool calls, or both, and why it stopped.

    `model` is the id that the provider tells, `created` is in Unix seconds and 0 where the wire
    has no such field, `usage` is None where none was told.
    """

    id: str
    model: str
    created: int
    text: str | None
    tool_calls: tuple[ToolCall, ...] = ()
    finish: Finish
    usage: Usage | None
    reasoning: str = ""


TroubleKind = Literal[
    "bad_request",  # what was asked breaks the wire's rules
    "unauthorized",  # no key, or not this one
    "not_found",  # no such path or model
    "too_large",
    "rate_limited",  # too many requests or tokens: come back after retry_after_s
    "overloaded",  # no capacity now, or an outage
]


class Trouble(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Why there is no reply. Each wire has its own status, body and headers for each kind."""

    kind: TroubleKind
    message: str
    param: str | None = None
    code: str | None = None
    """OpenAI's machine-readable name, where the kind alone does not tell it."""
    retry_after_s: float = 0.0
    limit: Literal["requests", "tokens"] = "requests"
    """Which one was reached, where it is the rate that is limited."""
    request_id: str = ""
    """Which request it was; some wires tell it in the body too."""


class Headroom(msgspec.Struct, frozen=True, gc=False):
    """What is left of a rate limit, of requests or of tokens; `reset_s` is until it is whole."""

    limit: int
    remaining: int
    reset_s: float


class Served(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a server tells beside every answer, in headers: which request it was, how long it
    worked on it, the time of day, and what is left of the client's limits."""

    request_id: str
    processing_ms: float = 0.0
    unix_s: float = 0.0
    requests: Headroom | None = None
    tokens: Headroom | None = None


class ModelWire(Protocol):
    """One wire in both roles: `chat` is the client's side, all else the server's. It is pure."""

    @property
    def NAME(self) -> str: ...

    @property
    def BASE_PATH(self) -> str:
        """What clients' base URLs have after the host."""

    @property
    def HOSTS(self) -> tuple[str, ...]:
        """Where the provider itself is reached; none where everybody has a server of their own."""

    @property
    def KEY_HEADERS(self) -> tuple[str, ...]:
        """The headers that a client's key may stand in, in lower case."""

    def chat(self, at: Endpoint, ask: Ask) -> Call[Reply]:
        """Ask the model at this endpoint. An answer that is no Reply raises a ProviderFault."""

    def key_of(self, request: httpx.Request) -> str:
        """The key that the client sent, "" if none."""

    def decode_request(self, request: httpx.Request) -> Ask | Trouble: ...

    def encode_reply(self, reply: Reply) -> bytes: ...

    def encode_stream(self, reply: Reply, pieces: Sequence[str], ask: Ask) -> list[bytes]:
        """The stream in chunks: first the opening, which comes before any token; then one or more
        for each piece, which join to the reply's text, and for each tool call; the last one is the
        finish, with the end mark where the wire has one."""

    def encode_keep_alive(self, stream: bool) -> bytes:
        """What a client that waits is sent before a streamed or a whole answer, b"" if nothing."""

    def encode_trouble(self, trouble: Trouble) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body, content-type and retry-after among the headers."""

    def encode_served(self, served: Served) -> dict[str, str]:
        """The headers that every answer carries, the errors' too."""


@runtime_checkable
class Catalog(ModelWire, Protocol):
    """A wire that also tells which models a server has."""

    def decode_listing(self, request: httpx.Request) -> str | None:
        """The id of the model that is asked about, "" for all, None where something else is."""

    def encode_listing(self, models: Sequence[str], of: str, created: int) -> bytes:
        """The answer to it: `models` is that one, or all; `created` is in Unix seconds."""
