"""DeepSeek, Qwen and Mistral: how each of them differs from OpenAI on OpenAI's wire; pure.

Sources (2026-11): DeepSeek's pages on rate limits, error codes and thinking mode; Alibaba Cloud
Model Studio's on OpenAI compatibility, error codes and rate limits; the request fields of mistralai
3.7. Where these tell a status only, the body is as answers of the API stand in public issues. What
no source shows is marked as assumed.

Our client asks none of them to think: what is measured is how long an answer takes.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httpx
import msgspec

from harness.providers.call import UNREADABLE
from harness.providers.chat import Ask, Served, Trouble
from harness.providers.openai import Answer, ApiError, Dialect, ErrorBody, trouble_headers
from harness.providers.openai.ask import Request
from harness.providers.openai.rules import COMMON, Rule, bad
from harness.providers.openai.said import Manner

FORBIDDEN = "extra_forbidden"

Words = Mapping[str, tuple[int, str, str | None, str]]
"""Status, type, code and message of each kind of trouble; "" where the trouble's own words go."""


def told_by(words: Words, trouble: Trouble) -> Answer:
    """The trouble in OpenAI's shape and a provider's words."""
    status, kind, code, message = words[trouble.kind]
    if trouble.code == "unknown_url":
        status = 404
    error = ApiError(message or trouble.message, kind, trouble.param, trouble.code or code)
    return status, trouble_headers(trouble), msgspec.json.encode(ErrorBody(error))


# DeepSeek


@dataclass(frozen=True, slots=True)
class DeepSeek(Dialect):
    """It limits no rates but lets a client wait: that one is sent keep-alive lines meanwhile."""

    def encode_trouble(self, trouble: Trouble) -> Answer:
        status, headers, body = told_by(_DEEPSEEK_WORDS, trouble)
        headers.pop("retry-after-ms", None)
        return status, headers, body

    def encode_served(self, served: Served) -> dict[str, str]:
        return {"x-ds-trace-id": served.request_id}


def no_developer(wire: Request) -> Trouble | None:
    for n, message in enumerate(wire.messages):
        if message.role == "developer":
            told = f"Failed to deserialize the JSON body: messages[{n}].role: unknown variant."
            return bad(told)
    return None


def no_schema(wire: Request) -> Trouble | None:
    if wire.response_format is None or wire.response_format.type != "json_schema":
        return None
    return bad("This response_format type is unavailable now")


_DEEPSEEK_RULES: tuple[Rule, ...] = (no_developer, no_schema, *COMMON)
_BAD = "invalid_request_error"
_DEEPSEEK_WORDS: Words = {
    "bad_request": (400, _BAD, _BAD, ""),
    "unauthorized": (401, "authentication_error", _BAD, "Authentication Fails (governor)"),
    "not_found": (400, _BAD, _BAD, "Model Not Exist"),
    "too_large": (413, _BAD, _BAD, ""),
    # The words of these two are assumed; the statuses are the vendor's.
    "rate_limited": (429, "rate_limit_error", _BAD, "Rate limit reached"),
    "overloaded": (503, "service_unavailable_error", _BAD, "Service is too busy."),
}

DEEPSEEK = DeepSeek(
    "deepseek",
    "",
    bound="max_tokens",
    takes_schemas=False,
    extra=b'"thinking":{"type":"disabled"}',
    rules=_DEEPSEEK_RULES,
    manner=Manner(full=False, thinks_in="reasoning_content", counts_cache=True),
    alive="keep-alive",
    blank_lines=True,
    HOSTS=("api.deepseek.com",),
)


# Qwen


@dataclass(frozen=True, slots=True)
class Qwen(Dialect):
    """Model Studio, formerly DashScope, under its compatible mode."""

    def encode_trouble(self, trouble: Trouble) -> Answer:
        words = _QWEN_TOKENS if trouble.limit == "tokens" else _QWEN_WORDS
        return told_by(words, trouble)

    def encode_served(self, served: Served) -> dict[str, str]:
        return {
            "x-request-id": served.request_id,
            "x-dashscope-call-gateway": "true",
            "req-cost-time": str(round(served.processing_ms)),
        }


_QWEN_WORDS: Words = {
    "bad_request": (400, _BAD, "invalid_parameter_error", ""),
    "unauthorized": (401, _BAD, "invalid_api_key", "Incorrect API key provided."),
    "not_found": (404, _BAD, "model_not_found", ""),
    "too_large": (413, _BAD, None, ""),
    "rate_limited": (
        429, "limit_requests", "limit_requests", "You exceeded your current requests list.",
    ),
    # Assumed but for the status.
    "overloaded": (503, "server_error", "service_unavailable", ""),
}  # fmt: skip
_QWEN_TOKENS: Words = {
    **_QWEN_WORDS,
    "rate_limited": (
        429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota.",
    ),
}  # fmt: skip

QWEN = Qwen(
    "qwen",
    "/compatible-mode/v1",
    bound="max_tokens",
    # Older models know neither a schema nor a tool choice but auto, none and a name.
    takes_schemas=False,
    must_call="auto",
    extra=b'"enable_thinking":false',
    rules=COMMON,
    manner=Manner(full=False, thinks_in="reasoning_content"),
    HOSTS=tuple(f"dashscope{place}.aliyuncs.com" for place in ("", "-intl", "-us")),
)


# Mistral


@dataclass(frozen=True, slots=True)
class Mistral(Dialect):
    """It takes no field that it does not know, and says so as FastAPI does."""

    def decode_request(self, request: httpx.Request) -> Ask | Trouble:
        asked = Dialect.decode_request(self, request)
        extra = _not_mistrals(request.content) if isinstance(asked, Ask) else ""
        if extra:
            told = "Extra inputs are not permitted"
            return Trouble(kind="bad_request", message=told, param=extra, code=FORBIDDEN)
        return asked

    def encode_trouble(self, trouble: Trouble) -> Answer:
        if trouble.kind == "unauthorized" or trouble.code == "unknown_url":
            status = 401 if trouble.kind == "unauthorized" else 404
            told: object = _Detail("Unauthorized" if status == 401 else "Not Found")
        elif trouble.kind == "bad_request":
            status, told = 422, _MistralError(_Invalid([_wrong_input(trouble)]), _BAD)
        else:
            status, kind, code, message = _MISTRAL_WORDS[trouble.kind]
            told = _MistralError(message or trouble.message, kind, code=code)
        headers = trouble_headers(trouble)
        headers.pop("retry-after-ms", None)
        return status, headers, msgspec.json.encode(told)

    def encode_served(self, served: Served) -> dict[str, str]:
        headers = {
            "mistral-correlation-id": served.request_id,
            "x-request-id": served.request_id,
            "x-envoy-upstream-service-time": str(round(served.processing_ms)),
        }
        for kind, room in (("req", served.requests), ("tokens", served.tokens)):
            if room is not None:
                headers[f"x-ratelimit-limit-{kind}-minute"] = str(room.limit)
                headers[f"x-ratelimit-remaining-{kind}-minute"] = str(room.remaining)
        return headers

    def encode_listing(self, models: Sequence[str], of: str, created: int) -> bytes:
        cards = [_Card(id_, created) for id_ in models]
        return msgspec.json.encode(cards[0] if of else _Cards(cards))


class _Capabilities(msgspec.Struct, frozen=True):
    completion_chat: bool = True
    function_calling: bool = True
    completion_fim: bool = False
    vision: bool = False


class _Card(msgspec.Struct):
    id: str
    created: int
    object: str = "model"
    owned_by: str = "mistralai"
    type: str = "base"
    capabilities: _Capabilities = _Capabilities()


class _Cards(msgspec.Struct):
    data: list[_Card]
    object: str = "list"


class _Detail(msgspec.Struct):
    detail: str


class _WrongInput(msgspec.Struct):
    type: str
    loc: list[str | int]
    msg: str


class _Invalid(msgspec.Struct):
    detail: list[_WrongInput]


class _MistralError(msgspec.Struct):
    message: str | _Invalid
    type: str
    param: str | None = None
    code: str | None = None
    object: str = "error"


def _wrong_input(trouble: Trouble) -> _WrongInput:
    places = (trouble.param or "").replace("[", ".").replace("]", "").split(".")
    loc = [int(place) if _INDEX.fullmatch(place) else place for place in places if place]
    return _WrongInput(
        _WRONG.get(trouble.code or "", "value_error"), ["body", *loc], trouble.message
    )


def _not_mistrals(body: bytes) -> str:
    """The first field that a request must not have, "" if there is none. Nor may `stream_options`
    ask for the usage, which is told anyway."""
    try:
        fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        if "stream_options" in fields:
            options = msgspec.json.decode(fields["stream_options"], type=dict[str, bool] | None)
            if options:
                return f"stream_options.{next(iter(options))}"
    except UNREADABLE:
        return "stream_options"
    return next((name for name in fields if name not in _MISTRAL_TAKES), "")


_INDEX = re.compile("[0-9]{1,9}")
_WRONG = {
    FORBIDDEN: FORBIDDEN,
    "missing_required_parameter": "missing",
    "invalid_type": "type_error",
    "empty_array": "too_short",
}
_MISTRAL_WORDS: dict[str, tuple[int, str, str | None, str]] = {
    "not_found": (400, "invalid_model", "3003", ""),
    "too_large": (413, _BAD, None, ""),
    "rate_limited": (429, "rate_limited", "1300", "Rate limit exceeded"),
    "overloaded": (503, "unreachable_backend", "1100", "Service unavailable."),
}
_MISTRAL_TAKES = frozenset({  # The request fields of mistralai 3.7.
    "model", "messages", "temperature", "top_p", "max_tokens", "min_tokens", "stream",
    "stream_options", "stop", "random_seed", "metadata", "response_format", "tools",
    "tool_choice", "presence_penalty", "frequency_penalty", "repetition_penalty", "top_k",
    "logprobs", "top_logprobs", "prompt_logprobs", "top_prompt_logprobs", "n", "prediction",
    "parallel_tool_calls", "reasoning_effort", "prompt_mode", "guardrails", "prompt_cache_key",
    "service_tier", "safe_prompt",
})  # fmt: skip

MISTRAL = Mistral(
    "mistral",
    bound="max_tokens",
    must_call="any",
    asks_usage=False,
    rules=COMMON,
    manner=Manner(full=False, usage_in="finish", whole_calls=True),
    HOSTS=("api.mistral.ai",),
)

DIALECTS: tuple[Dialect, ...] = (DEEPSEEK, QWEN, MISTRAL)
