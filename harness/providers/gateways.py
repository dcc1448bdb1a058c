"""OpenRouter, LiteLLM, Portkey and TokenMix.ai: gateways to many models on OpenAI's wire; pure.

Sources (2026-11): OpenRouter's pages on errors and streaming; the proxy of LiteLLM 1.110 and the
gateway of Portkey 1.15 in source, both also run; TokenMix.ai's pages, which show no body. A gateway
names a model by its vendor and its name, each in its own spelling. `Routed` is what it tells of the
way that an answer took.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import httpx
import msgspec

from harness.providers import sse
from harness.providers.call import Call, Endpoint
from harness.providers.chat import Ask, Reply, Served, Trouble
from harness.providers.openai import (
    OPENAI,
    Answer,
    ApiError,
    Dialect,
    ErrorBody,
    bearer,
    trouble_headers,
)
from harness.providers.openai_rules import COMMON, Rule, a_tool_to_choose
from harness.providers.openai_said import DONE, Manner

_RULES: tuple[Rule, ...] = (*COMMON, a_tool_to_choose)


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
        return Dialect.chat(self, at, replace(ask, model=self.name_of(provider, model)))

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


# OpenRouter


@dataclass(frozen=True, slots=True)
class OpenRouter(Gateway):
    """A stream begins before its model is asked, so what goes wrong then is told inside it."""

    def told_name(self, provider: str, model: str) -> str:
        return self.name_of(provider, model)

    def encode_trouble(self, trouble: Trouble) -> Answer:
        status, message = _openrouter_words(trouble)
        error = _OpenRouterError(status, message)
        return status, _plain_headers(trouble), msgspec.json.encode(_OpenRouterBody(error))

    def encode_relayed(self, trouble: Trouble, provider: str) -> Answer:
        error = self._relayed(trouble, self.vendors.get(provider, provider))
        return error.code, _plain_headers(trouble), msgspec.json.encode(_OpenRouterBody(error))

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

    def _relayed(self, trouble: Trouble, provider: str) -> "_OpenRouterError":
        status = 429 if trouble.kind == "rate_limited" else 502
        metadata = {"provider_name": provider, "raw": trouble.message}
        return _OpenRouterError(status, "Provider returned error", metadata)

    def encode_served(self, served: Served) -> dict[str, str]:
        return {"x-generation-id": f"gen-{served.request_id}"}


class _OpenRouterError(msgspec.Struct, omit_defaults=True):
    code: int
    message: str
    metadata: dict[str, str] | None = None


class _OpenRouterBody(msgspec.Struct):
    error: _OpenRouterError


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
    error: _OpenRouterError
    object: str = "chat.completion.chunk"
    system_fingerprint: str | None = None


def _openrouter_words(trouble: Trouble) -> tuple[int, str]:
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
    rules=_RULES,
    manner=Manner(thinks_in="reasoning", usage_in="always"),
    alive="OPENROUTER PROCESSING",
    vendors={"gemini": "google", "mistral": "mistralai"},
)


# LiteLLM


@dataclass(frozen=True, slots=True)
class LiteLLM(Gateway):
    """The proxy, that anybody may run; an error's code is its status, as text."""

    def encode_trouble(self, trouble: Trouble) -> Answer:
        status, kind = _LITELLM_WORDS[trouble.kind]
        if trouble.code == "unknown_url":
            return 404, _plain_headers(trouble), b'{"detail":"Not Found"}'
        error = ApiError(trouble.message, kind, trouble.param, str(status))
        return status, _plain_headers(trouble), msgspec.json.encode(ErrorBody(error))

    def encode_relayed(self, trouble: Trouble, provider: str) -> Answer:
        name = _LITELLM_ERRORS.get(trouble.kind, "APIError")
        who = "OpenAI" if provider == OPENAI.NAME else provider.capitalize()
        told = f"litellm.{name}: {name}: {who}Exception - {trouble.message}"
        return self.encode_trouble(replace(trouble, message=told))

    def encode_served(self, served: Served) -> dict[str, str]:
        return {"x-litellm-call-id": served.request_id, "x-litellm-version": "1.110.2"}

    def encode_routed(self, routed: Routed) -> dict[str, str]:
        # A profile may be named as its file is; a header is ASCII.
        model = routed.model.encode("ascii", "replace").decode()
        headers = {
            "x-litellm-model-id": f"{routed.provider}-{model}",
            "x-litellm-model-group": model,
            "x-litellm-response-duration-ms": f"{routed.upstream_ms + routed.overhead_ms:.3f}",
            "x-litellm-overhead-duration-ms": f"{routed.overhead_ms:.3f}",
            "x-litellm-attempted-fallbacks": str(routed.target),
            "x-litellm-attempted-retries": "0",
            "llm_provider-x-request-id": routed.request_id,
        }
        if routed.cost_usd is not None:
            headers["x-litellm-response-cost"] = repr(routed.cost_usd)
        return headers


_LITELLM_WORDS = {
    "bad_request": (400, "invalid_request_error"),
    "unauthorized": (401, "auth_error"),
    "not_found": (400, "invalid_request_error"),
    "too_large": (413, "invalid_request_error"),
    "rate_limited": (429, "throttling_error"),
    "overloaded": (503, None),
}
_LITELLM_ERRORS = {
    "bad_request": "BadRequestError",
    "not_found": "NotFoundError",
    "rate_limited": "RateLimitError",
    "overloaded": "ServiceUnavailableError",
}

LITELLM = LiteLLM(
    "litellm",
    rules=_RULES,
    manner=Manner(full=False, thinks_in="reasoning_content"),
    vendors={"qwen": "dashscope"},
)


# Portkey


@dataclass(frozen=True, slots=True)
class Portkey(Gateway):
    """The cloud's way to name a model is `@provider/model`; a header may name the provider too."""

    def name_of(self, provider: str, model: str) -> str:
        return f"@{Gateway.name_of(self, provider, model)}" if provider else model

    def opens_with(self, key: str) -> dict[str, str]:
        return {"x-portkey-api-key": key}

    def key_of(self, request: httpx.Request) -> str:
        own: str = request.headers.get("x-portkey-api-key", "")
        return own or bearer(request)

    def decode_request(self, request: httpx.Request) -> Ask | Trouble:
        asked = Dialect.decode_request(self, request)
        provider = request.headers.get("x-portkey-provider", "").removeprefix("@")
        if isinstance(asked, Ask) and provider and "/" not in asked.model:
            return replace(asked, model=f"{provider}/{asked.model}")
        return asked

    def encode_trouble(self, trouble: Trouble) -> Answer:
        status, _, _ = OPENAI.encode_trouble(trouble)
        body = msgspec.json.encode({"status": "failure", "message": trouble.message})
        return status, _plain_headers(trouble), body

    def encode_relayed(self, trouble: Trouble, provider: str) -> Answer:
        name = self.vendors.get(provider, provider)
        told = replace(trouble, message=f"{name} error: {trouble.message}")
        status, headers, body = OPENAI.encode_trouble(told)
        return status, headers, b'%b,"provider":%b}' % (body[:-1], msgspec.json.encode(name))

    def encode_served(self, served: Served) -> dict[str, str]:
        return {"x-portkey-trace-id": served.request_id}

    def encode_routed(self, routed: Routed) -> dict[str, str]:
        return {
            "x-portkey-provider": self.vendors.get(routed.provider, routed.provider),
            "x-portkey-last-used-option-index": f"config.targets[{routed.target}]",
            "x-portkey-retry-attempt-count": "0",
            "x-portkey-cache-status": "DISABLED",
        }


PORTKEY = Portkey(
    "portkey",
    rules=_RULES,
    manner=Manner(full=False),
    vendors={"gemini": "google", "mistral": "mistral-ai", "qwen": "dashscope"},
)


# TokenMix.ai


@dataclass(frozen=True, slots=True)
class TokenMix(Gateway):
    """Plain OpenAI, as far as its pages tell: a model goes by its bare name."""

    def name_of(self, provider: str, model: str) -> str:
        return model

    def encode_served(self, served: Served) -> dict[str, str]:
        return {"x-request-id": served.request_id}


TOKENMIX = TokenMix("tokenmix", rules=_RULES, manner=Manner(full=False))

GATEWAYS: dict[str, Gateway] = {of.NAME: of for of in (OPENROUTER, LITELLM, PORTKEY, TOKENMIX)}


def _plain_headers(trouble: Trouble) -> dict[str, str]:
    """Without OpenAI's own header in milliseconds."""
    headers = trouble_headers(trouble)
    headers.pop("retry-after-ms", None)
    return headers
