"""The Anthropic Messages wire, JSON and streamed; it plays neither client nor server.

Source: the API reference of POST /v1/messages, its pages on streaming, errors, rate limits and
versions (2026-11), and the types of anthropic-python 2.13.

Two versions are in use: 2023-06-01, and 2026-10-21, which takes no sampling parameters. Under
either the key may come as x-api-key or as a bearer token, and the first wins. Our client sends
x-api-key under the newest version: so do the vendor's own examples, proxies that know but the old
header read it too, and we send nothing that the versions differ in. What is no key but a token,
ANTHROPIC_AUTH_TOKEN to the vendor's SDK, goes as a bearer token, as that SDK sends it.
"""

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass

import httpx
import msgspec

from harness.providers.anthropic import reply as wire
from harness.providers.anthropic.ask import Request, breach, read, written
from harness.providers.call import (
    UNREADABLE,
    Call,
    Endpoint,
    Malformed,
    ProviderFault,
    fault_of,
    parse,
    request_of,
)
from harness.providers.chat import Ask, Reply, Served, Trouble, TroubleKind
from harness.providers.problem import retry_after

PATH = "/v1/messages"
VERSION = "2026-10-21"
VERSIONS = ("2023-06-01", VERSION)
MAX_TOKENS = 1024
"""What is sent where the client sets no bound, as the wire demands one."""
BODY_LIMIT = 32 * 1024 * 1024
BEARER = "bearer"
"""The `key_id` of an endpoint whose key is a token."""
ORGANIZATION = "00000000-0000-4000-8000-70116e4c0000"
"""Whom a server says that the key belongs to; a mock knows one organization only."""


@dataclass(frozen=True, slots=True)
class Anthropic:
    """The vendor's own API; what speaks like it can be named otherwise."""

    NAME: str = "anthropic"
    BASE_PATH: str = ""
    HOSTS: tuple[str, ...] = ("api.anthropic.com",)
    KEY_HEADERS: tuple[str, ...] = ("x-api-key", "authorization")

    # Client side

    def chat(self, at: Endpoint, ask: Ask) -> Call[Reply]:
        request = request_of(
            "POST",
            at.url(PATH),
            {
                **_opens_with(at),
                "anthropic-version": VERSION,
                "content-type": "application/json",
                "accept": "text/event-stream" if ask.stream else "application/json",
            },
            msgspec.json.encode(written(ask, MAX_TOKENS)),
        )
        return Call(self.NAME, request, decode_reply)

    # Server side

    def key_of(self, request: httpx.Request) -> str:
        own: str = request.headers.get("x-api-key", "")
        if own:
            return own
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        return key.strip() if scheme.lower() == "bearer" else ""

    def decode_request(self, request: httpx.Request) -> Ask | Trouble:
        if request.method != "POST" or not request.url.path.endswith(PATH):
            return Trouble(kind="not_found", message="Not Found")
        version = request.headers.get("anthropic-version", "")
        if version not in VERSIONS:
            wrong = f'"{version}" is not a valid version' if version else "header is required"
            return Trouble(kind="bad_request", message=f"anthropic-version: {wrong}")
        if len(request.content) > BODY_LIMIT:
            wrong = "Request exceeds the maximum allowed number of bytes."
            return Trouble(kind="too_large", message=wrong)
        try:
            request.content.decode()  # What is kept unread in the shapes must be UTF-8 too.
            told = msgspec.json.decode(request.content, type=Request)
        except UNREADABLE as error:
            return Trouble(kind="bad_request", message=_what_is_wrong(error))
        if wrong := _refused_by(version, told) or breach(told):
            return Trouble(kind="bad_request", message=wrong)
        return read(told)

    def encode_reply(self, reply: Reply) -> bytes:
        return wire.whole(reply)

    def encode_stream(self, reply: Reply, pieces: Sequence[str], ask: Ask) -> list[bytes]:
        return wire.streamed(reply, pieces)

    def encode_keep_alive(self, stream: bool) -> bytes:
        return wire.PING if stream else b""

    def encode_trouble(self, trouble: Trouble) -> tuple[int, dict[str, str], bytes]:
        kind = _KINDS[trouble.kind]
        message = _MESSAGES.get(trouble.kind, trouble.message)
        headers = {"content-type": "application/json"}
        if trouble.kind == "rate_limited":
            headers |= retry_after(trouble.retry_after_s)
        error = wire.ApiError(kind, message)
        body = wire.ErrorBody(error, request_id=trouble.request_id or None)
        return wire.ERRORS[kind], headers, msgspec.json.encode(body)

    def encode_served(self, served: Served) -> dict[str, str]:
        """One bucket of tokens stands for all three that the vendor keeps: in, out, and both."""
        headers = {
            "request-id": served.request_id,
            "anthropic-organization-id": ORGANIZATION,
            "x-envoy-upstream-service-time": str(round(served.processing_ms)),
        }
        rooms = dict.fromkeys(("tokens", "input-tokens", "output-tokens"), served.tokens)
        for kind, room in {"requests": served.requests, **rooms}.items():
            if room is not None:
                told = f"anthropic-ratelimit-{kind}"
                headers[f"{told}-limit"] = str(room.limit)
                headers[f"{told}-remaining"] = str(max(0, room.remaining))
                headers[f"{told}-reset"] = _rfc3339(served.unix_s + room.reset_s)
        return headers

    # The list of models

    def decode_listing(self, request: httpx.Request) -> str | None:
        found = _MODELS.search(request.url.path) if request.method == "GET" else None
        return (found["id"] or "") if found else None

    def encode_listing(self, models: Sequence[str], of: str, created: int) -> bytes:
        """All on one page: nothing pages here."""
        cards = [_Card(id_, id_, _rfc3339(created)) for id_ in models]
        whole = _Cards(cards, models[0] if models else None, models[-1] if models else None)
        return msgspec.json.encode(cards[0] if of else whole)


ANTHROPIC = Anthropic()


def decode_reply(status: int, headers: httpx.Headers, body: bytes) -> Reply:
    if status != 200:
        raise _fault(status, body)
    if headers.get("content-type", "").startswith("text/event-stream"):
        return wire.of_stream(body)
    return wire.of_whole(body)


def _opens_with(at: Endpoint) -> dict[str, str]:
    return {"authorization": f"Bearer {at.key}"} if at.key_id == BEARER else {"x-api-key": at.key}


def _refused_by(version: str, told: Request) -> str:
    """What this version of the wire does not take, "" if nothing."""
    sent = {"temperature": told.temperature, "top_p": told.top_p, "top_k": told.top_k}
    named = next((name for name, value in sent.items() if value is not msgspec.UNSET), "")
    return f"{named}: Extra inputs are not permitted" if named and version == VERSION else ""


def _what_is_wrong(error: Exception) -> str:
    """The decoder's complaint in the API's words: where, and what is the matter there."""
    if not isinstance(error, msgspec.ValidationError):
        return f"The request body is not valid JSON: {error}"
    told, _, place = str(error).partition(" - at `$")
    place = re.sub(r"\[(\d+)\]", r".\1", place.rstrip("`")).strip(".")
    if missing := re.search(r"missing required field `(\w+)`", told):
        return ".".join(filter(None, (place, missing[1]))) + ": Field required"
    return f"{place}: {told}" if place else told


def _rfc3339(unix_s: float) -> str:
    last = 253_402_300_799  # The end of the year 9999, beyond which there is no such text.
    at = datetime.datetime.fromtimestamp(min(max(0.0, unix_s), last), datetime.UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _fault(status: int, body: bytes) -> ProviderFault:
    try:
        return fault_of(status, code=parse(body, wire.ErrorBody).error.type)
    except Malformed:
        return fault_of(status, f"{status} without an error body")


class _Card(msgspec.Struct):
    id: str
    display_name: str
    created_at: str
    lifecycle: str = "active"
    type: str = "model"


class _Cards(msgspec.Struct):
    data: list[_Card]
    first_id: str | None
    last_id: str | None
    has_more: bool = False


_MODELS = re.compile(r"/v1/models(?:/(?P<id>.+))?$")
_KINDS: dict[TroubleKind, str] = {
    "bad_request": "invalid_request_error",
    "unauthorized": "authentication_error",
    "not_found": "not_found_error",
    "too_large": "request_too_large",
    "rate_limited": "rate_limit_error",
    "overloaded": "overloaded_error",
}
_MESSAGES = {"unauthorized": "invalid x-api-key", "overloaded": "Overloaded"}
