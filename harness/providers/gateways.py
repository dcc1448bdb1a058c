"""LiteLLM, Portkey and TokenMix.ai: gateways to many models on OpenAI's wire; pure.

Sources (2026-11): the proxy of LiteLLM 1.110 and the gateway of Portkey 1.15 in source, both also
run; TokenMix.ai's pages, which show no body. OpenRouter is in a file of its own.
"""

from dataclasses import dataclass

import httpx
import msgspec
from msgspec import structs

from harness.providers.chat import Ask, Served, Trouble
from harness.providers.gateway import RULES, Gateway, Routed, plain_headers
from harness.providers.openai import OPENAI, Answer, ApiError, Dialect, ErrorBody, bearer
from harness.providers.openai.said import Manner
from harness.providers.openrouter import OPENROUTER

# LiteLLM


@dataclass(frozen=True, slots=True)
class LiteLLM(Gateway):
    """The proxy, that anybody may run; an error's code is its status, as text."""

    def encode_trouble(self, trouble: Trouble) -> Answer:
        status, kind = _LITELLM_WORDS[trouble.kind]
        if trouble.code == "unknown_url":
            return 404, plain_headers(trouble), b'{"detail":"Not Found"}'
        error = ApiError(trouble.message, kind, trouble.param, str(status))
        return status, plain_headers(trouble), msgspec.json.encode(ErrorBody(error))

    def encode_relayed(self, trouble: Trouble, provider: str) -> Answer:
        name = _LITELLM_ERRORS.get(trouble.kind, "APIError")
        who = "OpenAI" if provider == OPENAI.NAME else provider.capitalize()
        told = f"litellm.{name}: {name}: {who}Exception - {trouble.message}"
        return self.encode_trouble(structs.replace(trouble, message=told))

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
    rules=RULES,
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
            return structs.replace(asked, model=f"{provider}/{asked.model}")
        return asked

    def encode_trouble(self, trouble: Trouble) -> Answer:
        status, _, _ = OPENAI.encode_trouble(trouble)
        body = msgspec.json.encode({"status": "failure", "message": trouble.message})
        return status, plain_headers(trouble), body

    def encode_relayed(self, trouble: Trouble, provider: str) -> Answer:
        name = self.vendors.get(provider, provider)
        told = structs.replace(trouble, message=f"{name} error: {trouble.message}")
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
    rules=RULES,
    manner=Manner(full=False),
    vendors={"gemini": "google", "mistral": "mistral-ai", "qwen": "dashscope"},
    HOSTS=("api.portkey.ai",),
    KEY_HEADERS=("x-portkey-api-key", "authorization"),
)


# TokenMix.ai


@dataclass(frozen=True, slots=True)
class TokenMix(Gateway):
    """Plain OpenAI, as far as its pages tell: a model goes by its bare name."""

    def name_of(self, provider: str, model: str) -> str:
        return model

    def encode_served(self, served: Served) -> dict[str, str]:
        return {"x-request-id": served.request_id}


TOKENMIX = TokenMix("tokenmix", rules=RULES, manner=Manner(full=False), HOSTS=("api.tokenmix.ai",))

GATEWAYS: dict[str, Gateway] = {of.NAME: of for of in (OPENROUTER, LITELLM, PORTKEY, TOKENMIX)}
