"""What the bodies of an exchange tell of it: model and tokens, in whichever dialect; pure.

A wire's own decoder wants a whole answer that keeps its rules. Here anything may be recorded, so
only the few fields that count are looked for, and what has none tells nothing.

Where usage stands (vendors' references, 2026-11): OpenAI's chat completions have it in `usage`, its
responses in `response.usage` of the last event; Anthropic in `usage`, and in `message.usage` of the
first event; Gemini in `usageMetadata`. Counts of a stream are cumulative: the last one holds.
"""

import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import msgspec

from harness.providers.call import UNREADABLE
from harness.providers.sse import decode_events

T = TypeVar("T")

MOST_LOOKED_AT = 2 * 1024 * 1024
"""Bytes of a body; a longer one is passed on and timed, but not looked into."""

MOST_DOCUMENTS = 16
"""Values of a stream that are looked into, half of them the last: what is told once stands at
either end."""

_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_IN_PATH = re.compile(r"/models/([^/:?]{1,100})(?::|$)")
_JSON_LINES = ("application/x-ndjson", "application/jsonl", "application/json-lines")
EVENTS = "text/event-stream"


class Used(msgspec.Struct, frozen=True):
    """What was told of a call; None and "" where nothing was."""

    model: str = ""
    prompt: int | None = None
    completion: int | None = None


def plain_body(body: bytes, encoding: str) -> bytes | None:
    """The body decoded; None for an encoding that is not known here, or one that is broken. A
    stream that was cut off tells what it has."""
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip", "deflate"):
        return None
    try:
        return zlib.decompressobj(_GZIP_OR_ZLIB).decompress(body, MOST_LOOKED_AT)
    except zlib.error:
        return None


def is_stream(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind == EVENTS or kind in _JSON_LINES


def asked_model(path: str, body: bytes) -> str:
    """The model that a request names, in its body or, as Google has it, in its path."""
    named = _decoded(body, _Asked)
    if named is not None and named.model:
        return named.model[:100]
    found = _IN_PATH.search(path)
    return found[1] if found else ""


def used(values: Iterable[bytes]) -> Used:
    """What the documents of an answer tell."""
    model, prompt, completion = "", None, None
    for told in _told(values):
        model = told.model or told.model_version or model
        for usage in (told.usage, told.usage_metadata):
            if usage is not None:
                prompt = _first(usage.prompt, prompt)
                completion = _first(usage.completion, completion)
    return Used(model[:100], prompt, completion)


def documents(body: bytes, content_type: str) -> list[bytes]:
    """The JSON values that a body has: one, or those of its events or lines, of many the first and
    the last."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == EVENTS:
        return [event.data.encode() for event in _ends([*decode_events(body)])]
    if kind in _JSON_LINES:
        return _ends([line for line in body.splitlines() if line.strip()])
    return [body] if body[:64].lstrip()[:1] in (b"{", b"[") else []


def _ends(values: Sequence[T]) -> list[T]:
    if len(values) <= MOST_DOCUMENTS:
        return [*values]
    return [*values[: MOST_DOCUMENTS // 2], *values[-MOST_DOCUMENTS // 2 :]]


class _Usage(msgspec.Struct, rename="camel"):
    """All dialects' at once."""

    openai_prompt: int | None = msgspec.field(default=None, name="prompt_tokens")
    openai_completion: int | None = msgspec.field(default=None, name="completion_tokens")
    input: int | None = msgspec.field(default=None, name="input_tokens")
    output: int | None = msgspec.field(default=None, name="output_tokens")
    cache_made: int | None = msgspec.field(default=None, name="cache_creation_input_tokens")
    cache_read: int | None = msgspec.field(default=None, name="cache_read_input_tokens")
    prompt_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None

    @property
    def prompt(self) -> int | None:
        """As the wires have it: what a cache gave or took is part of the prompt."""
        if self.input is not None:
            return self.input + (self.cache_made or 0) + (self.cache_read or 0)
        return _first(self.openai_prompt, self.prompt_token_count)

    @property
    def completion(self) -> int | None:
        thoughts, shown = self.thoughts_token_count, self.candidates_token_count
        gemini = None if thoughts is None and shown is None else (thoughts or 0) + (shown or 0)
        return _first(self.openai_completion, _first(self.output, gemini))


class _Asked(msgspec.Struct):
    model: str = ""


class _Flat(msgspec.Struct, rename="camel"):
    model: str | None = None
    model_version: str | None = None
    usage: _Usage | None = None
    usage_metadata: _Usage | None = None


class _Told(_Flat):
    message: _Flat | None = None
    response: _Flat | None = None


class _ToldAnyhow(msgspec.Struct):
    """Where `message` or `response` is something else."""

    model: str | None = None
    usage: _Usage | None = None


def _told(values: Iterable[bytes]) -> Iterator[_Flat]:
    for value in values:
        if value.lstrip()[:1] == b"[":
            # As Gemini streams without alt=sse: one array of what else would be events.
            yield from _each(_decoded(value, list[_Told]) or [])
        else:
            told = _decoded(value, _Told)
            if told is None:
                anyhow = _decoded(value, _ToldAnyhow)
                told = _Told(model=anyhow.model, usage=anyhow.usage) if anyhow else _Told()
            yield from _each([told])


def _each(told: Iterable[_Told]) -> Iterator[_Flat]:
    for one in told:
        yield from (of for of in (one.message, one.response, one) if of is not None)


def _decoded(body: bytes, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(body, type=kind)
    except UNREADABLE:
        return None


def _first(one: int | None, other: int | None) -> int | None:
    return other if one is None else one
