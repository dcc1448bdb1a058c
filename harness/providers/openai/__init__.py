"""The OpenAI Chat Completions wire, JSON and streamed; it plays neither client nor server.

Source: the API reference of POST /chat/completions and GET /models, its guides on errors and rate
limits, and openai-python 3.57. A `Dialect` is one provider's way of speaking it; `OPENAI` is the
original. What is asked is in ask.py, what is answered in said.py and got.py, what is refused in
rules.py.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

import httpx
import msgspec

from harness.providers import sse
from harness.providers.call import UNREADABLE, Call, Endpoint, Told, request_with
from harness.providers.chat import Ask, Reply, Served, Trouble
from harness.providers.openai import got, said
from harness.providers.openai.ask import (
    Choice,
    Frame,
    FunctionName,
    Request,
    ToolChoice,
    frame_of,
    read,
    schema_in_words,
    written,
)
from harness.providers.openai.rules import OPENAI as OPENAI_RULES
from harness.providers.openai.rules import Rule, beside_options, sets_an_option, shape_trouble
from harness.providers.openai.said import OWN, Manner
from harness.providers.problem import retry_after

PATH = "/chat/completions"
BODY_LIMIT = 32 * 1024 * 1024
"""Of a request, in bytes; no reference tells the true one, so this is assumed."""
ORGANIZATION = "org-mock"
"""Whom a server says that the key belongs to; a mock knows one organization only."""

Answer = tuple[int, dict[str, str], bytes]
"""Status, headers and body."""
Beginning = tuple[Told, Frame]
"""All that is the same in requests of one kind: the headers, and what is around the messages."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One provider on this wire: what its clients send otherwise, and how its servers answer."""

    NAME: str
    BASE_PATH: str = "/v1"

    bound: Literal["max_completion_tokens", "max_tokens"] = "max_completion_tokens"
    """The field that bounds an answer."""
    must_call: Choice = "required"
    """The word for: call one of the tools, whichever; "auto" where there is none."""
    takes_schemas: bool = True
    """Otherwise the schema is told in words, and JSON mode asked for."""
    asks_usage: bool = True
    """Otherwise a stream tells its usage unasked."""
    extra: bytes = b""
    """JSON members that every request of a client has besides."""

    rules: tuple[Rule, ...] = OPENAI_RULES
    manner: Manner = OWN
    alive: str = ""
    """The comment that a stream's client is sent while it waits."""
    blank_lines: bool = False
    """Whether one who waits for a whole answer is sent blank lines."""
    HOSTS: tuple[str, ...] = ()
    KEY_HEADERS: tuple[str, ...] = ("authorization",)

    _usual_rules: tuple[Rule, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_usual_rules", beside_options(self.rules))

    # Client side

    def chat(self, at: Endpoint, ask: Ask) -> Call[Reply]:
        bare = Ask(
            ask.model, (), tuple(ask.tools), ask.tool_choice, ask.schema, ask.max_tokens,
            ask.stream, ask.include_usage,
        )  # fmt: skip
        headers, frame = _once(self._begin, at.key, bare)
        request = request_with("POST", at.url(PATH), headers, frame.around(ask.messages))
        return Call(self.NAME, request, got.decode_reply)

    def opens_with(self, key: str) -> dict[str, str]:
        """The headers that carry a client's key."""
        return {"authorization": f"Bearer {key}"}

    def _begin(self, key: str, ask: Ask) -> Beginning:
        headers = (
            *self.opens_with(key).items(),
            ("content-type", "application/json"),
            ("accept", "text/event-stream" if ask.stream else "application/json"),
        )
        return headers, self._frame(ask)

    def _frame(self, ask: Ask) -> Frame:
        wire = written(ask)
        if self.bound == "max_tokens":
            wire.max_tokens, wire.max_completion_tokens = wire.max_completion_tokens, None
        if not self.takes_schemas:
            schema_in_words(wire)
        if wire.tool_choice == "required":
            wire.tool_choice = self._demand(ask)
        if not self.asks_usage:
            wire.stream_options = None
        return frame_of(wire, self.extra)

    def _demand(self, ask: Ask) -> Choice | ToolChoice:
        """That a tool is called. Who knows no such word is told the name of the only one."""
        if self.must_call == "auto" and len(ask.tools) == 1:
            return ToolChoice(FunctionName(ask.tools[0].name))
        return self.must_call

    # Server side

    def key_of(self, request: httpx.Request) -> str:
        return bearer(request)

    def decode_request(self, request: httpx.Request) -> Ask | Trouble:
        if request.method != "POST" or not request.url.path.endswith(PATH):
            return no_such_url(request)
        body = request.content
        if len(body) > BODY_LIMIT:
            return Trouble(kind="too_large", message="The request is larger than the server takes.")
        try:
            if not body.isascii():
                body.decode()  # What is kept unread in the shapes must be UTF-8 too.
            wire = _DECODER.decode(body)
        except UNREADABLE as error:
            return shape_trouble(error)
        for rule in self.rules if sets_an_option(wire) else self._usual_rules:
            if trouble := rule(wire):
                return trouble
        return read(wire)

    def encode_reply(self, reply: Reply) -> bytes:
        return said.encode_reply(reply, self.manner)

    def encode_stream(self, reply: Reply, pieces: Sequence[str], ask: Ask) -> list[bytes]:
        return said.encode_stream(reply, pieces, ask, self.manner)

    def encode_keep_alive(self, stream: bool) -> bytes:
        if stream:
            return sse.encode_comment(self.alive) if self.alive else b""
        return b"\n" if self.blank_lines else b""

    def encode_trouble(self, trouble: Trouble) -> Answer:
        status, kind, code = _TROUBLES[trouble.kind]
        if trouble.kind == "rate_limited":
            kind = trouble.limit
        error = ApiError(trouble.message, kind, trouble.param, trouble.code or code)
        return status, trouble_headers(trouble), msgspec.json.encode(ErrorBody(error))

    def encode_served(self, served: Served) -> dict[str, str]:
        headers = {
            "x-request-id": served.request_id,
            "openai-processing-ms": str(round(served.processing_ms)),
            "openai-version": "2020-10-01",
            "openai-organization": ORGANIZATION,
        }
        add_limits(headers, served)
        return headers

    # The list of models

    def decode_listing(self, request: httpx.Request) -> str | None:
        found = _MODELS.search(request.url.path) if request.method == "GET" else None
        return (found["id"] or "") if found else None

    def encode_listing(self, models: Sequence[str], of: str, created: int) -> bytes:
        cards = [_Card(id_, self.NAME, created) for id_ in models]
        return msgspec.json.encode(cards[0] if of else _Cards(cards))


OPENAI = Dialect("openai", HOSTS=("api.openai.com",))


@lru_cache(1024)
def _once(begin: Callable[[str, Ask], Beginning], key: str, ask: Ask) -> Beginning:
    """Questions of one kind differ in their messages only, so all else is made once. `begin` is
    one dialect's own: bound methods are equal where they are of the same object."""
    return begin(key, ask)


def bearer(request: httpx.Request) -> str:
    """The key in the authorization header, "" if none."""
    return _borne(request.headers.get("authorization", ""))


@lru_cache(1024)
def _borne(authorization: str) -> str:
    scheme, _, key = authorization.partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def no_such_url(request: httpx.Request) -> Trouble:
    told = f"Unknown request URL: {request.method} {request.url.path}."
    return Trouble(kind="not_found", message=told, code="unknown_url")


def trouble_headers(trouble: Trouble) -> dict[str, str]:
    headers = {"content-type": "application/json"}
    if trouble.retry_after_s:
        headers |= retry_after(trouble.retry_after_s)
        headers["retry-after-ms"] = str(max(1, round(trouble.retry_after_s * 1e3)))
    return headers


def add_limits(headers: dict[str, str], served: Served) -> None:
    """What is left of both limits, in the headers that half of the family sends."""
    if room := served.requests:
        headers["x-ratelimit-limit-requests"] = str(room.limit)
        headers["x-ratelimit-remaining-requests"] = str(room.remaining)
        headers["x-ratelimit-reset-requests"] = go_duration(room.reset_s)
    if room := served.tokens:
        headers["x-ratelimit-limit-tokens"] = str(room.limit)
        headers["x-ratelimit-remaining-tokens"] = str(room.remaining)
        headers["x-ratelimit-reset-tokens"] = go_duration(room.reset_s)


def go_duration(seconds: float) -> str:
    """As Go prints a duration, in whole milliseconds: 12ms, 1.5s, 6m0s."""
    ms = round(seconds * 1e3)
    if ms < 1000:
        return f"{ms}ms" if ms else "0s"
    minutes, rest = divmod(ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    text = f"{rest / 1e3:.3f}".rstrip("0").rstrip(".") + "s"
    if hours:
        return f"{hours}h{minutes}m{text}"
    return f"{minutes}m{text}" if minutes else text


class ApiError(msgspec.Struct):
    """The body of every answer that is not 2xx."""

    message: str
    type: str | None
    param: str | None
    code: str | None


class ErrorBody(msgspec.Struct):
    error: ApiError


class _Card(msgspec.Struct):
    id: str
    owned_by: str
    created: int
    object: str = "model"


class _Cards(msgspec.Struct):
    data: list[_Card]
    object: str = "list"


_DECODER = msgspec.json.Decoder(Request)
_MODELS = re.compile(r"/models(?:/(?P<id>.+))?$")
_TROUBLES: dict[str, tuple[int, str, str | None]] = {
    "bad_request": (400, "invalid_request_error", None),
    "unauthorized": (401, "invalid_request_error", "invalid_api_key"),
    "not_found": (404, "invalid_request_error", None),
    "too_large": (413, "invalid_request_error", None),
    "rate_limited": (429, "requests", "rate_limit_exceeded"),
    "overloaded": (503, "server_error", None),
}
