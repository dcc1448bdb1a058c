"""OpenRouter, a gateway on OpenAI's wire: how it differs from OpenAI; pure.

Sources (2026-11): its pages on errors, streaming and models, and the shapes of its own SDK 1.3.
Once a model has begun, or a stream has, the status is 200 and trouble is told in the body.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from harness.providers import sse
from harness.providers.chat import Ask, Served, Trouble
from harness.providers.gateway import RULES, Gateway, plain_headers
from harness.providers.openai import Answer
from harness.providers.openai.said import DONE, Manner


@dataclass(frozen=True, slots=True)
class OpenRouter(Gateway):
    """A stream begins before its model is asked, so what goes wrong then is told inside it."""

    def told_name(self, provider: str, model: str) -> str:
        return self.name_of(provider, model)

    def encode_trouble(self, trouble: Trouble) -> Answer:
        status, message = _words(trouble)
        error = _Error(status, message)
        return status, plain_headers(trouble), msgspec.json.encode(_ErrorBody(error))

    def encode_relayed(self, trouble: Trouble, provider: str) -> Answer:
        error = self._relayed(trouble, self.vendors.get(provider, provider))
        return error.code, plain_headers(trouble), msgspec.json.encode(_ErrorBody(error))

    def encode_late(self, trouble: Trouble, ask: Ask) -> bytes:
        provider, _ = self.place_of(ask.model)
        broken = _LateChunk(
            id=f"gen-{trouble.request_id}",
            model=ask.model,
            created=0,
            choices=[_LateChoice()],
            error=self._relayed(trouble, self.vendors.get(provider, provider)),
        )
        return sse.encode_json(msgspec.json.encode(broken)) + DONE

    def _relayed(self, trouble: Trouble, provider: str) -> "_Error":
        status = 429 if trouble.kind == "rate_limited" else 502
        metadata = {"provider_name": provider, "raw": trouble.message}
        return _Error(status, "Provider returned error", metadata)

    def encode_served(self, served: Served) -> dict[str, str]:
        return {"x-generation-id": f"gen-{served.request_id}"}

    def encode_listing(self, models: Sequence[str], of: str, created: int) -> bytes:
        cards = [_Card(id_, id_, id_, created) for id_ in models]
        return msgspec.json.encode(cards[0] if of else _Cards(cards, len(cards)))


class _Text(msgspec.Struct, frozen=True):
    modality: str = "text->text"
    input_modalities: tuple[str, ...] = ("text",)
    output_modalities: tuple[str, ...] = ("text",)


class _Varies(msgspec.Struct, frozen=True):
    """-1 is the word for a price that is not fixed."""

    prompt: str = "-1"
    completion: str = "-1"


class _TopProvider(msgspec.Struct, frozen=True):
    is_moderated: bool = False


class _Links(msgspec.Struct, frozen=True):
    details: str = "/api/v1/models"


class _Card(msgspec.Struct):
    """What a mock does not know of a model is null."""

    id: str
    canonical_slug: str
    name: str
    created: int
    object: str = "model"
    owned_by: str = "openrouter"
    architecture: _Text = _Text()
    pricing: _Varies = _Varies()
    top_provider: _TopProvider = _TopProvider()
    supported_parameters: tuple[str, ...] = ("max_tokens", "tools", "tool_choice")
    links: _Links = _Links()
    context_length: int | None = None
    default_parameters: None = None
    per_request_limits: None = None
    supported_voices: None = None


class _Next(msgspec.Struct, frozen=True):
    next: None = None


class _Cards(msgspec.Struct):
    """All on one page: nothing pages here."""

    data: list[_Card]
    total_count: int
    links: _Next = _Next()


class _Error(msgspec.Struct, omit_defaults=True):
    code: int
    message: str
    metadata: dict[str, str] | None = None


class _ErrorBody(msgspec.Struct):
    error: _Error


class _LateDelta(msgspec.Struct):
    content: str = ""


class _LateChoice(msgspec.Struct):
    delta: _LateDelta = msgspec.field(default_factory=_LateDelta)
    finish_reason: str = "error"
    index: int = 0


class _LateChunk(msgspec.Struct, kw_only=True):
    id: str
    model: str
    created: int
    choices: list[_LateChoice]
    error: _Error
    object: str = "chat.completion.chunk"
    system_fingerprint: str | None = None


def _words(trouble: Trouble) -> tuple[int, str]:
    if trouble.code == "unknown_url":
        return 404, "Not Found"
    return {
        "bad_request": (400, trouble.message),
        "unauthorized": (401, "User not found."),
        "not_found": (400, f"{trouble.message} It is not a valid model ID"),
        "too_large": (413, trouble.message),
        "rate_limited": (429, "Rate limit exceeded"),
        "overloaded": (503, "There is no available model provider that meets your requirements"),
    }[trouble.kind]


OPENROUTER = OpenRouter(
    "openrouter",
    "/api/v1",
    rules=RULES,
    manner=Manner(thinks_in="reasoning", usage_in="always"),
    alive="OPENROUTER PROCESSING",
    vendors={"gemini": "google", "mistral": "mistralai"},
    HOSTS=("openrouter.ai",),
)
