"""The Anthropic Messages wire, JSON and streamed; it plays neither client nor server.

Source: the API reference of POST /v1/messages, its pages on streaming, errors, rate limits and
versions (2026-11), and the types of anthropic-python 2.13.

Two versions are in use: 2023-06-01, and 2026-10-21, which takes no sampling parameters. Under
either the key may come as x-api-key or as a bearer token, and the first wins. Our client sends
x-api-key under the newest version: so do the vendor's own examples, proxies that know but the old
header read it too, and we send nothing that the versions differ in.
"""

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import httpx
import msgspec

from harness.providers import anthropic_shapes as shapes
from harness.providers import sse
from harness.providers.anthropic_shapes import Block, Delta, Event, Request, Turn
from harness.providers.call import (
    UNREADABLE,
    Call,
    Endpoint,
    Malformed,
    ProviderFault,
    fault_of,
    parse,
)
from harness.providers.chat import Ask, Finish, Reply, Served, Trouble, Usage

PATH = "/v1/messages"
VERSION = "2026-10-21"
VERSIONS = ("2023-06-01", VERSION)
MAX_TOKENS = 1024
"""What is sent where the client sets no bound, as the wire demands one."""
BODY_LIMIT = 32 * 1024 * 1024
ORGANIZATION = "00000000-0000-4000-8000-70116e4c0000"
"""Whom a server says that the key belongs to; a mock knows one organization only."""
PART = 23
"""Characters of a tool call's arguments in one event. It is no divisor of anything, so that the
cuts fall within keys, numbers and escapes, as the API's do."""


@dataclass(frozen=True, slots=True)
class Anthropic:
    """The vendor's own API; what speaks like it can be named otherwise."""

    NAME: str = "anthropic"
    BASE_PATH: str = ""

    # Client side

    def chat(self, at: Endpoint, ask: Ask) -> Call[Reply]:
        request = httpx.Request(
            "POST",
            at.url(PATH),
            headers={
                "x-api-key": at.key,
                "anthropic-version": VERSION,
                "content-type": "application/json",
                "accept": "text/event-stream" if ask.stream else "application/json",
            },
            content=msgspec.json.encode(shapes.written(ask, MAX_TOKENS)),
        )
        return Call(self.NAME, request, decode_reply)

    # Server side

    def key_of(self, request: httpx.Request) -> str:
        if own := request.headers.get("x-api-key", ""):
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
            told = "Request exceeds the maximum allowed number of bytes."
            return Trouble(kind="too_large", message=told)
        try:
            request.content.decode()  # What is kept unread in the shapes must be UTF-8 too.
            wire = msgspec.json.decode(request.content, type=Request)
        except UNREADABLE as error:
            return Trouble(kind="bad_request", message=_what_is_wrong(error))
        if wrong := _refused_by(version, wire) or shapes.breach(wire):
            return Trouble(kind="bad_request", message=wrong)
        return shapes.read(wire)

    def encode_reply(self, reply: Reply) -> bytes:
        blocks = []
        if reply.reasoning:
            blocks.append(Block("thinking", thinking=reply.reasoning, signature=""))
        if reply.text:
            blocks.append(Block("text", text=reply.text))
        blocks += [shapes.tool_use(call) for call in reply.tool_calls]
        usage = _usage(reply.usage)
        return msgspec.json.encode(_message(reply, blocks, _STOPS[reply.finish], usage))

    def encode_stream(self, reply: Reply, pieces: Sequence[str], ask: Ask) -> list[bytes]:
        """The message without content and a ping; one event a piece; the stop and its reason.
        A block's start travels with its first event, and its stop with its last."""
        begun = replace(reply.usage, completion=1, reasoning=0) if reply.usage else None
        message = _message(reply, [], None, _usage(begun))
        chunks = [_event(Event("message_start", message=message)) + _event(Event("ping"))]
        for index, (block, deltas) in enumerate(_blocks(reply, pieces)):
            chunks += _streamed(index, block, deltas)
        delta = Delta(stop_reason=_STOPS[reply.finish], stop_sequence=None)
        stop = Event("message_delta", delta=delta, usage=_usage(reply.usage))
        return [*chunks, _event(stop) + _event(Event("message_stop"))]

    def encode_keep_alive(self, stream: bool) -> bytes:
        return _event(Event("ping")) if stream else b""

    def encode_trouble(self, trouble: Trouble) -> tuple[int, dict[str, str], bytes]:
        status, kind = _TROUBLES[trouble.kind]
        message = _MESSAGES.get(trouble.kind, trouble.message)
        headers = {"content-type": "application/json"}
        if trouble.kind == "rate_limited":
            headers["retry-after"] = str(max(1, -int(-trouble.retry_after_s // 1)))
        error = shapes.ErrorBody(
            shapes.ApiError(kind, message), request_id=trouble.request_id or None
        )
        return status, headers, msgspec.json.encode(error)

    def encode_served(self, served: Served) -> dict[str, str]:
        """One bucket of tokens stands for all three that the vendor keeps: in, out, and both."""
        headers = {
            "request-id": served.request_id,
            "anthropic-organization-id": ORGANIZATION,
            "x-envoy-upstream-service-time": str(round(served.processing_ms)),
        }
        kinds = ("tokens", "input-tokens", "output-tokens")
        for kind, room in [("requests", served.requests), *((kind, served.tokens) for kind in kinds)]:
            if room is not None:
                headers[f"anthropic-ratelimit-{kind}-limit"] = str(room.limit)
                headers[f"anthropic-ratelimit-{kind}-remaining"] = str(room.remaining)
                reset = _rfc3339(served.unix_s + room.reset_s)
                headers[f"anthropic-ratelimit-{kind}-reset"] = reset
        return headers


ANTHROPIC = Anthropic()


def decode_reply(status: int, headers: httpx.Headers, body: bytes) -> Reply:
    if status != 200:
        raise _fault(status, body)
    if headers.get("content-type", "").startswith("text/event-stream"):
        return decode_stream(body)
    wire = parse(body, shapes.Message)
    if not wire.stop_reason:
        raise Malformed("a message without a stop reason")
    return _reply(wire, wire.content, wire.stop_reason, [wire.usage])


def decode_stream(body: bytes) -> Reply:
    """The whole stream folded into one reply. A stream that ends early is Malformed: a text cut
    off in its middle must never pass for the model's answer."""
    fold = _Fold()
    for event in sse.decode_events(body):
        told = parse(event.data.encode(), Event)
        if told.type == "message_stop":
            return fold.reply()
        fold.add(told)
    raise Malformed("the stream ended before message_stop")


class _Fold:
    """Events of one stream, gathered into a reply. Kinds that are new to us are passed over, as
    the vendor demands of clients."""

    def __init__(self) -> None:
        self._head: shapes.Message | None = None
        self._blocks: dict[int, Block] = {}
        self._stop: shapes.StopReason | None = None
        self._usages: list[shapes.Usage | None] = []

    def add(self, told: Event) -> None:
        if told.error:
            status = _STATUSES.get(told.error.type, 500)
            raise fault_of(status, f"error in mid-stream: {told.error.type}")
        if told.type == "message_start" and told.message:
            self._head = told.message
            self._usages.append(told.message.usage)
        elif told.type == "content_block_start" and told.content_block:
            # What a tool's block starts with stands for "nothing yet".
            self._blocks[told.index] = msgspec.structs.replace(told.content_block, partial_json="")
        elif told.type == "content_block_delta" and told.delta:
            self._extend(told.index, told.delta)
        elif told.type == "message_delta" and told.delta:
            self._stop = told.delta.stop_reason or self._stop
            self._usages.append(told.usage or None)

    def _extend(self, index: int, delta: Delta) -> None:
        block = self._blocks.get(index)
        if block is None:
            raise Malformed("a delta of a block that was not started")
        if delta.text:
            block.text = (block.text or "") + delta.text
        if delta.partial_json:
            block.partial_json = (block.partial_json or "") + delta.partial_json
        if delta.thinking:
            block.thinking = (block.thinking or "") + delta.thinking

    def reply(self) -> Reply:
        if self._head is None or self._stop is None:
            raise Malformed("a stream without a message or its stop reason")
        blocks = [block for _, block in sorted(self._blocks.items())]
        return _reply(self._head, blocks, self._stop, self._usages)


def _reply(
    head: shapes.Message,
    blocks: Sequence[Block],
    stop: shapes.StopReason,
    usages: Sequence[shapes.Usage | None],
) -> Reply:
    text = "".join(block.text or "" for block in blocks if block.type == "text")
    return Reply(
        id=head.id,
        model=head.model,
        created=0,
        text=text or None,
        tool_calls=tuple(shapes.tool_call(block) for block in blocks if block.type == "tool_use"),
        finish=_FINISHES[stop],
        usage=shapes.used([usage for usage in usages if usage]),
        reasoning="".join(block.thinking or "" for block in blocks if block.type == "thinking"),
    )


def _message(
    reply: Reply, content: list[Block], stop: shapes.StopReason | None, usage: shapes.Usage
) -> shapes.Message:
    id_ = shapes.own("msg_", reply.id)
    return shapes.Message(id_, reply.model, content, stop_reason=stop, usage=usage)


def _blocks(reply: Reply, pieces: Sequence[str]) -> list[tuple[Block, list[Delta]]]:
    """Each block as it starts, and what then comes of it."""
    blocks = []
    if reply.reasoning:
        thought = [Delta("thinking_delta", thinking=reply.reasoning)]
        thought.append(Delta("signature_delta", signature=""))
        blocks.append((Block("thinking", thinking="", signature=""), thought))
    if pieces:
        said = [Delta("text_delta", text=piece) for piece in pieces]
        blocks.append((Block("text", text=""), said))
    for call in reply.tool_calls:
        text = call.arguments
        parts = ["", *(text[at : at + PART] for at in range(0, len(text), PART))]
        written = [Delta("input_json_delta", partial_json=part) for part in parts]
        blocks.append((shapes.tool_use(replace(call, arguments="{}")), written))
    return blocks


def _streamed(index: int, block: Block, deltas: Sequence[Delta]) -> list[bytes]:
    chunks = [_event(Event("content_block_delta", index=index, delta=delta)) for delta in deltas]
    chunks[0] = _event(Event("content_block_start", index=index, content_block=block)) + chunks[0]
    chunks[-1] += _event(Event("content_block_stop", index=index))
    return chunks


def _event(told: Event) -> bytes:
    return sse.encode_event(sse.Event(msgspec.json.encode(told).decode(), told.type))


def _usage(of: Usage | None) -> shapes.Usage:
    """Usage is never left out on this wire."""
    if of is None:
        return shapes.Usage(0, 0)
    details = shapes.TokenDetails(of.reasoning) if of.reasoning else None
    return shapes.Usage(of.prompt, of.completion, output_tokens_details=details)


def _refused_by(version: str, wire: Request) -> str:
    """What this version of the wire does not take, "" if nothing."""
    sent = {"temperature": wire.temperature, "top_p": wire.top_p, "top_k": wire.top_k}
    named = next((name for name, value in sent.items() if value is not msgspec.UNSET), "")
    return f"{named}: Extra inputs are not permitted" if named and version == VERSION else ""


def _what_is_wrong(error: Exception) -> str:
    """The decoder's complaint in the API's words: where, and what is the matter there."""
    if not isinstance(error, msgspec.ValidationError):
        return f"The request body is not valid JSON: {error}"
    told, _, place = str(error).partition(" - at `$")
    place = re.sub(r"\[(\d+)\]", r".\1", place.rstrip("`")).replace("[...]", ".0").strip(".")
    if missing := re.search(r"missing required field `(\w+)`", told):
        return ".".join(filter(None, (place, missing[1]))) + ": Field required"
    return f"{place}: {told}" if place else told


def _rfc3339(unix_s: float) -> str:
    last = 253_402_300_799  # The end of the year 9999, beyond which there is no such text.
    at = datetime.datetime.fromtimestamp(min(max(0.0, unix_s), last), datetime.UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _fault(status: int, body: bytes) -> ProviderFault:
    try:
        return fault_of(status, f"{status} {parse(body, shapes.ErrorBody).error.type}")
    except Malformed:
        return fault_of(status, f"{status} without an error body")


_TROUBLES: dict[str, tuple[int, str]] = {
    "bad_request": (400, "invalid_request_error"),
    "unauthorized": (401, "authentication_error"),
    "not_found": (404, "not_found_error"),
    "too_large": (413, "request_too_large"),
    "rate_limited": (429, "rate_limit_error"),
    "overloaded": (529, "overloaded_error"),
}
_MESSAGES = {"unauthorized": "invalid x-api-key", "overloaded": "Overloaded"}
_STATUSES = {kind: status for status, kind in _TROUBLES.values()} | {
    "billing_error": 402,
    "permission_error": 403,
    "api_error": 500,
    "timeout_error": 504,
}
_STOPS: dict[Finish, shapes.StopReason] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}
_FINISHES: dict[shapes.StopReason, Finish] = {
    **{stop: finish for finish, stop in _STOPS.items()},
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "model_context_window_exceeded": "length",
}
