"""What may be asked of a provider of models: an answer, or which models it has; nothing is sent.

How much an answer may cost at most is read off the request.
"""

import re
from functools import cache

import httpx
import msgspec

from harness.providers import MODELS
from harness.real.credentials import Found
from harness.real.rules import reading
from harness.real.rules.asked import Asked
from harness.real.unsafe import Unsafe
from harness.real.usage import MOST_UNTOLD

MOST_BODY = 4 * 1024 * 1024
"""Bytes of a prompt with all its tools."""
MOST_CHOICES = 8
KEY_HEADERS = frozenset(name for wire in MODELS.values() for name in wire.KEY_HEADERS)
"""Of any of them."""


def judge(found: Found, request: httpx.Request, path: str, query: bytes) -> Asked:
    provider = found.provider
    _opened(found, request)
    base = base_path(found.endpoint.base_url)
    inner = path.removeprefix(base) if path.startswith(base) else ""
    if request.method == "GET" and inner in _LISTINGS and not query and not request.content:
        return Asked(kind="read")
    by_path = _GEMINI.fullmatch(inner) if provider == "gemini" else None
    if request.method != "POST" or not (by_path or inner == _PATHS.get(provider, _CHAT)):
        raise Unsafe(f"a request to {provider} of a kind that none of ours is")
    if query and not (by_path and query == b"alt=sse"):
        raise Unsafe(f"a request to {provider} has a query, which none of ours has there")
    ask = _read(request, f"a prompt for {provider}")
    _refuse_extras(ask, provider)
    return Asked(
        kind="ask",
        model=by_path["model"] if by_path else ask.model,
        most_in=len(request.content),  # A token stands for a byte at the least.
        most_out=_most_out(ask, provider),
    )


@cache
def base_path(base_url: str) -> str:
    """How the paths begin of all that is asked there."""
    return httpx.URL(base_url).raw_path.decode("ascii").rstrip("/")


def _read(request: httpx.Request, what: str) -> "_Ask":
    """Inside, where a model's own answers are told it again, a name may be there twice."""
    reading.media(request, reading.JSON, what)
    members = reading.json_object(request.content, what, MOST_BODY, everywhere=False)
    reading.only(members, _FIELDS.__contains__, what)
    try:
        return msgspec.convert(members, _Ask)
    except msgspec.ValidationError:
        raise Unsafe(f"{what} cannot be read: nobody knows what it costs") from None


def _opened(found: Found, request: httpx.Request) -> None:
    """By the key that was found for this very provider, and by no other."""
    key = found.endpoint.key
    told = {name: request.headers[name] for name in KEY_HEADERS if name in request.headers}
    if any(each not in (key, f"Bearer {key}") for each in told.values()) or not any(
        name in told for name in MODELS[found.provider].KEY_HEADERS
    ):
        raise Unsafe(f"a request to {found.provider} that is not opened by the key found for it")


def _refuse_extras(ask: "_Ask", provider: str) -> None:
    """What is paid for beside the tokens of a text, so that no usage tells what it cost, or that
    are more than the bytes sent."""
    for tool in ask.tools or ():
        kind = tool.get("type", "function")
        if kind not in ("function", "custom") or tool.keys() - _TOOL:
            raise Unsafe(f"a tool that {provider} itself runs, and takes money for")
    if not all(map(_is_text, (*ask.messages, *ask.contents))):
        raise Unsafe(f"a prompt for {provider} with more in it than text and tools")


def _is_text(part: object) -> bool:
    """What is only named in a prompt, as a picture by its URL, may be of any number of tokens."""
    if not isinstance(part, dict) or part.keys() - _PART:
        return False
    inner = [part.get(name) for name in ("content", "parts")]
    return all(map(_is_text, [each for of in inner if isinstance(of, list) for each in of]))


def _most_out(ask: "_Ask", provider: str) -> int:
    config = ask.generationConfig or _Config()
    choices = [each for each in (ask.n, config.candidateCount) if each is not None]
    if not all(1 <= each <= MOST_CHOICES for each in choices):
        raise Unsafe(f"a request to {provider} for {max(choices)} answers at once")
    bounds = (ask.max_completion_tokens, ask.max_tokens, config.maxOutputTokens)
    told = [each for each in bounds if each is not None]
    if not all(each > 0 for each in told):
        raise Unsafe(f"a request to {provider} for an answer of {min(told)} tokens")
    # Which of several bounds counts nobody knows.
    return max(told, default=MOST_UNTOLD) * max(choices, default=1)


class _Config(msgspec.Struct):
    maxOutputTokens: int | None = None
    candidateCount: int | None = None


class _Ask(msgspec.Struct):
    model: str = ""
    messages: list[dict[str, object]] = []
    contents: list[dict[str, object]] = []
    n: int | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    generationConfig: _Config | None = None
    tools: list[dict[str, object]] | None = None


_FIELDS = frozenset(_Ask.__struct_fields__) | {
    # Of all that say how a model is to answer; none of them is priced.
    "enable_thinking", "frequency_penalty", "logit_bias", "logprobs", "output_config",
    "output_format", "parallel_tool_calls", "presence_penalty", "reasoning_effort",
    "response_format", "safetySettings", "seed", "stop", "stop_sequences", "stream",
    "stream_options", "system", "systemInstruction", "temperature", "thinking", "toolConfig",
    "tool_choice", "top_k", "top_logprobs", "top_p", "user",
}  # fmt: skip
"""What a prompt may have; what else there is may call other models, or other people's tools."""
_PART = frozenset({
    "content", "functionCall", "functionResponse", "id", "input", "is_error", "name", "parts",
    "reasoning_content", "refusal", "role", "signature", "text", "thinking", "thought",
    "thoughtSignature", "tool_call_id", "tool_calls", "tool_use_id", "type",
})  # fmt: skip
"""Of a message and of a part of one. Nothing about caches: what is written to one costs more."""
_TOOL = frozenset({
    "type", "function", "name", "description", "input_schema", "strict",
    "functionDeclarations", "function_declarations",
})  # fmt: skip
_CHAT = "/chat/completions"
_PATHS = {"anthropic": "/v1/messages"}
_LISTINGS = ("/models", "/v1/models", "/v1beta/models")
_GEMINI = re.compile(
    r"/v1(?:beta)?/models/(?P<model>[A-Za-z0-9][A-Za-z0-9._-]{0,119}):"
    r"(?:streamG|g)enerateContent"
)
