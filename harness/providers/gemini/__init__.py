"""The Gemini generateContent wire, JSON and streamed; it plays neither client nor server.

Source: the API reference of models.generateContent and streamGenerateContent on ai.google.dev, the
types of google-genai 3.6, and answers of the API as public test suites recorded them.

    POST /v1beta/models/{model}:generateContent                -> one JSON body
    POST /v1beta/models/{model}:streamGenerateContent?alt=sse  -> server-sent events, no end mark

The same under /v1, which Google's SDK has made its default; we ask under /v1beta, where schemas in
plain JSON Schema have been taken for longer. Streams as one JSON array, without alt=sse, are not
served. `COMPATIBLE` is the API's second base, which speaks OpenAI's wire but for its errors.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

import httpx
import msgspec

from harness.providers import openai, sse
from harness.providers.call import (
    UNREADABLE,
    Call,
    Endpoint,
    Malformed,
    ProviderFault,
    Unauthorized,
    code_name,
    fault_of,
    late_fault,
    parse,
    request_of,
)
from harness.providers.chat import Ask, Finish, Reply, Served, Trouble, TroubleKind, Usage
from harness.providers.gemini import ask as gemini_ask
from harness.providers.gemini.ask import Content, Part, call_of, calls_in

BODY_LIMIT = 20 * 1024 * 1024
_PATH = re.compile(r"/v1(?:beta|alpha)?/models/(?P<model>[^:]+):(?P<method>\w+)$")
_MODELS = re.compile(r"/v1(?:beta|alpha)?/models(?:/(?P<id>[^:]+))?$")
_METHODS = {"generateContent": False, "streamGenerateContent": True}
_RPC = "type.googleapis.com/google.rpc."


@dataclass(frozen=True, slots=True)
class Gemini:
    NAME: str = "gemini"
    BASE_PATH: str = ""
    HOSTS: tuple[str, ...] = ("generativelanguage.googleapis.com",)
    KEY_HEADERS: tuple[str, ...] = ("x-goog-api-key", "authorization")
    """The second is its other base's. The key may also stand in the query, as `key`."""

    # Client side

    def chat(self, at: Endpoint, ask: Ask) -> Call[Reply]:
        method = "streamGenerateContent?alt=sse" if ask.stream else "generateContent"
        request = request_of(
            "POST",
            at.url(f"/v1beta/models/{quote(ask.model, safe='')}:{method}"),
            {
                "x-goog-api-key": at.key,
                "content-type": "application/json",
                "accept": "text/event-stream" if ask.stream else "application/json",
            },
            msgspec.json.encode(gemini_ask.written(ask)),
        )
        return Call(self.NAME, request, decode_reply)

    # Server side

    def key_of(self, request: httpx.Request) -> str:
        own: str = request.headers.get("x-goog-api-key", "")
        return own or request.url.params.get("key", "")

    def decode_request(self, request: httpx.Request) -> Ask | Trouble:
        found = _PATH.search(request.url.path)
        if found is None or request.method != "POST" or found["method"] not in _METHODS:
            told = f"The requested URL {request.url.path} was not found on this server."
            return Trouble(kind="not_found", message=told)
        stream = _METHODS[found["method"]]
        if stream and request.url.params.get("alt") != "sse":
            return Trouble(kind="bad_request", message="Streams are served with alt=sse only.")
        if len(request.content) > BODY_LIMIT:
            told = f"Request payload size exceeds the limit: {BODY_LIMIT} bytes."
            return Trouble(kind="too_large", message=told)
        try:
            return gemini_ask.read(found["model"], stream, gemini_ask.decode(request.content))
        except gemini_ask.Wrong as wrong:
            return Trouble(kind="bad_request", message=str(wrong))
        except UNREADABLE as error:
            told = f"Invalid JSON payload received. {error}"
            return Trouble(kind="bad_request", message=told)

    def encode_reply(self, reply: Reply) -> bytes:
        """A call whose arguments are no object cannot be written here: as the API does, it tells
        that the model tried."""
        calls = [call_of(call.name, call.arguments) for call in reply.tool_calls]
        parts = [*_said(reply.reasoning, True), *_said(reply.text)]
        parts += [part for part in calls if part]
        return msgspec.json.encode(_response(reply, parts, _reason(reply)))

    def encode_stream(self, reply: Reply, pieces: Sequence[str], ask: Ask) -> list[bytes]:
        """An opening without text, one chunk a piece and a call, and a finish without text."""

        def chunk(part: Part, reason: str = "") -> bytes:
            wire = _response(reply, [part], reason)
            return b"data: " + msgspec.json.encode(wire) + b"\r\n\r\n"

        calls = [call_of(call.name, call.arguments) for call in reply.tool_calls]
        parts = [Part(text=""), *_said(reply.reasoning, True)]
        parts += [Part(text=piece) for piece in pieces]
        parts += [part for part in calls if part]
        return [*map(chunk, parts), chunk(Part(text=""), _reason(reply))]

    def encode_keep_alive(self, stream: bool) -> bytes:
        return b""

    def encode_trouble(self, trouble: Trouble) -> tuple[int, dict[str, str], bytes]:
        code, status = _TROUBLES[trouble.kind]
        message = _MESSAGES.get(trouble.kind, trouble.message)
        error = _ApiError(code, message, status, _details(trouble))
        headers = {"content-type": "application/json; charset=UTF-8"}
        return code, headers, msgspec.json.encode(_ErrorBody(error))

    def encode_served(self, served: Served) -> dict[str, str]:
        """How long it took; this API tells neither a request's id nor what is left of a limit."""
        return {"server-timing": f"gfet4t7; dur={round(served.processing_ms)}"}

    # The list of models

    def decode_listing(self, request: httpx.Request) -> str | None:
        found = _MODELS.search(request.url.path) if request.method == "GET" else None
        return (found["id"] or "") if found else None

    def encode_listing(self, models: Sequence[str], of: str, created: int) -> bytes:
        cards = [_Card(f"models/{id_}", id_) for id_ in models]
        return msgspec.json.encode(cards[0] if of else _Cards(cards))


GEMINI = Gemini()


@dataclass(frozen=True, slots=True)
class Compatible(openai.Dialect):
    """OpenAI's wire as Google answers it: errors are Google's own, in an array."""

    def encode_trouble(self, trouble: Trouble) -> tuple[int, dict[str, str], bytes]:
        status, headers, body = GEMINI.encode_trouble(trouble)
        return status, headers, b"[" + body + b"]"

    def encode_served(self, served: Served) -> dict[str, str]:
        return GEMINI.encode_served(served)


COMPATIBLE = Compatible("gemini", "/v1beta/openai")


def decode_reply(status: int, headers: httpx.Headers, body: bytes) -> Reply:
    if status != 200:
        raise _fault(status, body)
    if headers.get("content-type", "").startswith("text/event-stream"):
        return decode_stream(body)
    return _reply([parse(body, _Response)])


def decode_stream(body: bytes) -> Reply:
    """The whole stream folded into one reply. The finish reason is the only end mark: without it
    the stream is Malformed, as a text cut off in its middle must never pass for an answer."""
    told = []
    for event in sse.decode_events(body):
        data = event.data.encode()
        if error := _error(data):
            raise late_fault(error.code, _code(error))
        told.append(parse(data, _Response))
    return _reply(told)


# The shapes of answers


class _Candidate(msgspec.Struct, rename="camel", omit_defaults=True):
    content: Content | None = None
    finish_reason: str = ""
    index: int | None = None


class _UsageMetadata(msgspec.Struct, rename="camel", omit_defaults=True):
    prompt_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    total_token_count: int | None = None


class _PromptFeedback(msgspec.Struct, rename="camel"):
    block_reason: str = ""


class _Response(msgspec.Struct, rename="camel", omit_defaults=True):
    candidates: list[_Candidate] = []
    prompt_feedback: _PromptFeedback | None = None
    usage_metadata: _UsageMetadata | None = None
    model_version: str = ""
    response_id: str = ""


class _Detail(msgspec.Struct, rename={"type": "@type", "delay": "retryDelay"}, omit_defaults=True):
    type: str
    reason: str = ""
    domain: str = ""
    metadata: dict[str, str] = {}
    delay: str = ""


class _ApiError(msgspec.Struct, omit_defaults=True):
    code: int
    message: str = ""
    status: str = ""
    details: list[_Detail] = []


class _ErrorBody(msgspec.Struct):
    error: _ApiError


class _Card(msgspec.Struct, rename="camel"):
    name: str
    display_name: str
    supported_generation_methods: tuple[str, ...] = tuple(_METHODS)


class _Cards(msgspec.Struct):
    models: list[_Card]


def _response(reply: Reply, parts: list[Part], reason: str) -> _Response:
    candidate = _Candidate(Content(parts, "model"), reason, 0)
    usage = _usage(reply.usage) if reply.usage else None
    id_ = reply.id.removeprefix("chatcmpl-")
    return _Response([candidate], None, usage, reply.model, id_)


def _said(text: str | None, thought: bool = False) -> list[Part]:
    return [Part(text=text, thought=thought)] if text else []


def _reason(reply: Reply) -> str:
    broken = [call for call in reply.tool_calls if call_of(call.name, call.arguments) is None]
    return "MALFORMED_FUNCTION_CALL" if broken else _REASONS[reply.finish]


def _usage(of: Usage) -> _UsageMetadata:
    shown = of.completion - of.reasoning
    return _UsageMetadata(of.prompt, shown, of.reasoning or None, of.prompt + of.completion)


def _used(of: _UsageMetadata) -> Usage:
    thoughts = of.thoughts_token_count or 0
    return Usage(of.prompt_token_count or 0, (of.candidates_token_count or 0) + thoughts, thoughts)


def _reply(told: Sequence[_Response]) -> Reply:
    """One reply of all that was told, in pieces or at once. A prompt that was blocked has no
    candidate and is filtered content."""
    candidates = [response.candidates[0] for response in told if response.candidates]
    parts = [part for each in candidates if each.content for part in each.content.parts]
    feedback = [response.prompt_feedback for response in told if response.prompt_feedback]
    blocked = not candidates and any(each.block_reason for each in feedback)
    reason = next((each.finish_reason for each in reversed(candidates) if each.finish_reason), "")
    if not blocked and reason not in _FINISHES:
        says = f"an answer with the finish reason {reason[:40]!r}"
        what = "a finish reason that the wire does not know" if reason else "no finish reason"
        raise Malformed(says, code=reason, what=what)
    calls = calls_in(parts)
    finish = "content_filter" if blocked else _FINISHES[reason]
    usages = [response.usage_metadata for response in told if response.usage_metadata]
    return Reply(
        id=told[0].response_id,
        model=told[0].model_version,
        created=0,
        text="".join(part.text for part in parts if part.text and not part.thought) or None,
        tool_calls=tuple(calls),
        finish="tool_calls" if finish == "stop" and calls else finish,
        usage=_used(usages[-1]) if usages else None,
        reasoning="".join(part.text for part in parts if part.text and part.thought),
    )


def _details(trouble: Trouble) -> list[_Detail]:
    if trouble.kind == "unauthorized":
        service = {"service": "generativelanguage.googleapis.com"}
        reason = "API_KEY_INVALID"
        return [_Detail(_RPC + "ErrorInfo", reason, "googleapis.com", service)]
    if trouble.kind == "rate_limited":
        seconds = max(1, math.ceil(trouble.retry_after_s))
        return [_Detail(_RPC + "RetryInfo", delay=f"{seconds}s")]
    return []


def _fault(status: int, body: bytes) -> ProviderFault:
    error = _error(body)
    if error is None:
        return fault_of(status, f"{status} without an error body")
    told, code = f"{status} {code_name(error.status)}".rstrip(), _code(error)
    if any(detail.reason == "API_KEY_INVALID" for detail in error.details):
        return Unauthorized(told, status=status, code=code)  # Though its status is 400.
    return fault_of(status, told, code)


def _code(error: _ApiError) -> str:
    """The status, and the reason where a detail names one."""
    reasons = (detail.reason for detail in error.details if detail.reason)
    return f"{error.status} {next(reasons, '')}"


def _error(body: bytes) -> _ApiError | None:
    """The error that the body tells, by itself or in an array."""
    try:
        return parse(body.strip().removeprefix(b"[").removesuffix(b"]"), _ErrorBody).error
    except Malformed:
        return None


_TROUBLES: dict[TroubleKind, tuple[int, str]] = {
    "bad_request": (400, "INVALID_ARGUMENT"),
    "unauthorized": (400, "INVALID_ARGUMENT"),
    "not_found": (404, "NOT_FOUND"),
    "too_large": (400, "INVALID_ARGUMENT"),
    "rate_limited": (429, "RESOURCE_EXHAUSTED"),
    "overloaded": (503, "UNAVAILABLE"),
}
_MESSAGES = {
    "unauthorized": "API key not valid. Please pass a valid API key.",
    "rate_limited": "Resource has been exhausted (e.g. check quota).",
    "overloaded": "The model is overloaded. Please try again later.",
}
_REASONS: dict[Finish, str] = {
    "stop": "STOP",
    "tool_calls": "STOP",
    "length": "MAX_TOKENS",
    "content_filter": "SAFETY",
}
_FINISHES: dict[str, Finish] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    # The model tried to call a function and wrote no call: it stopped, and nothing is to be done.
    "MALFORMED_FUNCTION_CALL": "stop",
    "UNEXPECTED_TOOL_CALL": "stop",
    "TOO_MANY_TOOL_CALLS": "stop",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "OTHER": "content_filter",
}
