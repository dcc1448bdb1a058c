"""Samples out of OpenTelemetry's traces as JSON: one export, or one a line as in its files.

Sources (2026-11): OTLP 1.x, JSON encoding (64-bit numbers may be text; ids and enumerations are
only compared); the semantic conventions of HTTP and of generative AI, with the older names that
instrumentations still write; and how these tell a first token: an attribute in the conventions, an
event of OpenLLMetry's, OpenInference's and the Vercel AI SDK's.

A call is a client's span of HTTP, or one that names a model. Of both for the same call, the one
about the model tells more, and the other lies within it: it is left out.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

import httpx
import msgspec

from harness.calibrate.samples import NO_TIME, UNFINISHED, Sample, Told, whole
from harness.calibrate.taking import HOSTS, provider_of, read_url
from harness.providers.call import UNREADABLE
from harness.providers.trace import operation_of

Attribute = str | int | float
Attributes = Mapping[str, Attribute]
_Id = tuple[str, str]
"""Of a trace, and of a span in it."""

NO_CALL = "that is no call to a server"

_NO_MODEL = frozenset({"create_agent", "execute_tool", "invoke_agent", "invoke_workflow"})
"""Operations that are told as a model's are, and call none themselves."""

_OPERATION = ("gen_ai.operation.name", "llm.request.type")
_PROVIDER = ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system")
_MODEL = ("gen_ai.request.model", "llm.model_name", "llm.request.model", "gen_ai.response.model")
_TOKENS = (
    "gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens",
    "llm.usage.completion_tokens", "llm.token_count.completion",
)  # fmt: skip
_FIRST_S = (
    "gen_ai.response.time_to_first_chunk", "gen_ai.server.time_to_first_token",
    "gen_ai.server.ttft",
)  # fmt: skip
_FIRST_MS = ("ai.response.msToFirstChunk", "ai.stream.msToFirstChunk")
_STATUS = ("http.response.status_code", "http.status_code")
_URL = ("url.full", "http.url")
_HOST = ("server.address", "net.peer.name", "http.host")
_FIRST_EVENT = re.compile(r"(?i)first[ ._]?(token|chunk)|\.chunk$")

_PROVIDERS = {
    "az.ai.openai": "openai", "azure.ai.openai": "openai", "gcp.gemini": "gemini",
    "gcp.gen_ai": "gemini", "google": "gemini", "mistral_ai": "mistral", "mistralai": "mistral",
}  # fmt: skip
"""The conventions' names for providers that have another here."""


def is_otlp(value: msgspec.Raw) -> bool:
    try:
        msgspec.json.decode(value, type=_Export)
    except UNREADABLE:
        return False
    return True


def read(values: Sequence[msgspec.Raw]) -> Told:
    spans = {(span.trace_id, span.span_id): span for span in _spans(values)}
    attributes = {key: _attributes(span.attributes) for key, span in spans.items()}
    told = Told()
    for key, span in spans.items():
        of = attributes[key]
        if _is_model(of) or (_is_client(span, of) and not _in_model(span, spans, attributes)):
            _take(told, span, of)
        elif not _is_client(span, of):
            told.skip(NO_CALL)
    return told


def _take(told: Told, span: "_Span", of: Attributes) -> None:
    start, end = _ns(span.start), _ns(span.end)
    if not start:
        told.skip(NO_TIME)
        return
    if not end:
        told.skip(UNFINISHED)
        return
    status = _whole(of, _STATUS)
    if status is None and (span.status.is_error or "error.type" in of):
        told.skip("failed")
        return
    total_s = (end - start) / 1e9
    first_s = _first_s(span, of, start)
    told.first_known = told.first_known or first_s is not None
    url = read_url(_text(of, _URL))
    stage = _text(of, _OPERATION) or (operation_of(url.path) if url.raw_host else span.name[:80])
    told.add(
        Sample(
            stage=stage,
            provider=_provider(of, url),
            model=_text(of, _MODEL),
            first_token_s=total_s if first_s is None else first_s,
            total_s=total_s,
            completion_tokens=_whole(of, _TOKENS),
            status=(500 if span.status.is_error else 200) if status is None else status,
        ),
        start,
    )


def _is_model(of: Attributes) -> bool:
    if of.get("openinference.span.kind") == "LLM":
        return True
    named = any(name in of for name in (*_PROVIDER, *_MODEL))
    return named and _text(of, _OPERATION) not in _NO_MODEL


def _in_model(
    span: "_Span", spans: Mapping["_Id", "_Span"], attributes: Mapping["_Id", Attributes]
) -> bool:
    """Whether a call to a model is above it; whoever wrote the ids may have made a ring of them."""
    seen: set[_Id] = set()
    above = (span.trace_id, span.parent_span_id)
    while above in spans and above not in seen:
        if _is_model(attributes[above]):
            return True
        seen.add(above)
        above = (span.trace_id, spans[above].parent_span_id)
    return False


def _is_client(span: "_Span", of: Attributes) -> bool:
    asked = any(name in of for name in ("http.request.method", "http.method", *_URL))
    return asked and span.kind in (3, "SPAN_KIND_CLIENT", "3")


def _first_s(span: "_Span", of: Attributes, start: int) -> float | None:
    for names, scale in ((_FIRST_S, 1.0), (_FIRST_MS, 1e-3)):
        for name in names:
            value = of.get(name)
            if isinstance(value, int | float):
                return value * scale
    events = [_ns(event.time) for event in span.events if _FIRST_EVENT.search(event.name)]
    return (min(events) - start) / 1e9 if events and all(events) else None


def _provider(of: Attributes, url: httpx.URL) -> str:
    host = url.raw_host.decode("ascii") or _text(of, _HOST)
    if host in HOSTS:
        return HOSTS[host]
    told = _text(of, _PROVIDER).lower()
    if told:
        return _PROVIDERS.get(told, told)
    return provider_of(url) if url.raw_host else host


def _text(of: Attributes, names: Sequence[str]) -> str:
    return next((str(of[name])[:200] for name in names if of.get(name)), "")


def _whole(of: Attributes, names: Sequence[str]) -> int | None:
    found = (of[name] for name in names if name in of)
    numbers = (_integer(n) if isinstance(n, str) else n for n in found)
    return next((whole(n) for n in numbers if n), None)


def _ns(time: int | str) -> int:
    """0 for what is no time."""
    return _integer(time) or 0


def _integer(told: int | str) -> int | None:
    """None for what is none, or more than 64 bits hold."""
    try:
        number = int(told)
    except ValueError:
        return None
    return number if abs(number) < 2**64 else None


def _spans(values: Sequence[msgspec.Raw]) -> Iterator["_Span"]:
    for value in values:
        try:
            export = msgspec.json.decode(value, type=_Export)
        except UNREADABLE:
            continue
        for resource in export.resource_spans:
            for scope in (*resource.scope_spans, *resource.old_scope_spans):
                yield from scope.spans


def _attributes(told: "list[_KeyValue]") -> dict[str, Attribute]:
    found = {of.key: of.value.known for of in told if of.value is not None}
    return {key: value for key, value in found.items() if value is not None}


class _Value(msgspec.Struct, rename="camel"):
    """What else it may be (a truth value, an array, a list of pairs, bytes) tells nothing here."""

    string_value: str | None = None
    int_value: int | str | None = None
    double_value: float | str | None = None

    @property
    def known(self) -> Attribute | None:
        if self.int_value is not None:
            return _integer(self.int_value)
        if isinstance(self.double_value, str):
            return None  # NaN or Infinity.
        return self.string_value if self.double_value is None else self.double_value


class _KeyValue(msgspec.Struct):
    key: str = ""
    value: _Value | None = None


class _Event(msgspec.Struct):
    name: str = ""
    time: int | str = msgspec.field(default=0, name="timeUnixNano")


class _Status(msgspec.Struct):
    code: int | str = 0

    @property
    def is_error(self) -> bool:
        return self.code in (2, "2", "STATUS_CODE_ERROR")


class _Span(msgspec.Struct, rename="camel"):
    trace_id: str = ""
    span_id: str = ""
    parent_span_id: str = ""
    name: str = ""
    kind: int | str = 0
    start: int | str = msgspec.field(default=0, name="startTimeUnixNano")
    end: int | str = msgspec.field(default=0, name="endTimeUnixNano")
    attributes: list[_KeyValue] = []
    events: list[_Event] = []
    status: _Status = msgspec.field(default_factory=_Status)


class _Scope(msgspec.Struct):
    spans: list[_Span] = []


class _Resource(msgspec.Struct, rename="camel"):
    scope_spans: list[_Scope] = []
    old_scope_spans: list[_Scope] = msgspec.field(
        default_factory=list, name="instrumentationLibrarySpans"
    )


class _Export(msgspec.Struct, rename="camel"):
    resource_spans: list[_Resource]
