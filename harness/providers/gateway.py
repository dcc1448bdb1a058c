"""A gateway to many models on OpenAI's wire: how it names them, what it tells of the way; pure.

It names a model by its vendor and its name, each in its own spelling. `Routed` is what it tells of
the way that an answer took. The gateways themselves are in gateways.py and openrouter.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from msgspec import structs

from harness.providers.call import Call, Endpoint
from harness.providers.chat import Ask, Reply, Trouble
from harness.providers.openai import Answer, Dialect, trouble_headers
from harness.providers.openai.rules import COMMON, Rule, a_tool_to_choose

RULES: tuple[Rule, ...] = (*COMMON, a_tool_to_choose)
"""What a gateway refuses before it asks anybody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed:
    """Who answered in the end: the provider, the model, and which of the configured targets, from
    0; how long that took and how long the gateway itself; and its price, where that is known."""

    request_id: str
    provider: str
    model: str
    target: int = 0
    upstream_ms: float = 0.0
    overhead_ms: float = 0.0
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Gateway(Dialect):
    """A dialect with a way on. Its own answers are the dialect's; `encode_relayed` is for what a
    provider behind it answered."""

    vendors: Mapping[str, str] = field(default_factory=dict)
    """Our names of providers -> the gateway's, where they differ."""

    def chat(self, at: Endpoint, ask: Ask) -> Call[Reply]:
        provider, model = self.place_of(ask.model)
        return Dialect.chat(self, at, structs.replace(ask, model=self.name_of(provider, model)))

    def name_of(self, provider: str, model: str) -> str:
        """How the gateway spells the model of that provider; "" is any that has it."""
        return f"{self.vendors.get(provider, provider)}/{model}" if provider else model

    def place_of(self, name: str) -> tuple[str, str]:
        """The provider, "" where none is named, and the model that such a name means."""
        vendor, slash, model = name.removeprefix("@").partition("/")
        if not slash:
            return "", name
        for provider, theirs in self.vendors.items():
            if vendor == theirs:
                return provider, model
        return vendor, model

    def told_name(self, provider: str, model: str) -> str:
        """The model that a reply names."""
        return model

    def encode_routed(self, routed: Routed) -> dict[str, str]:
        return {}

    def encode_relayed(self, trouble: Trouble, provider: str) -> Answer:
        return self.encode_trouble(trouble)

    def encode_late(self, trouble: Trouble, ask: Ask) -> bytes:
        """How trouble is told to one who was sent the beginning of a stream, b"" where nobody
        is sent one before there is an answer."""
        return b""


def plain_headers(trouble: Trouble) -> dict[str, str]:
    """Without OpenAI's own header in milliseconds."""
    headers = trouble_headers(trouble)
    headers.pop("retry-after-ms", None)
    return headers
