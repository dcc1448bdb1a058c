"""The wire of a chat app under test, POST /chat, in both roles; it plays neither.

The request is JSON, {"user": ..., "message": ...}. Ours is the answer as server-sent events: pieces
of text, {"text": "..."}, and last how the turn ended, {"outcome": "paid"}. An error is
{"error": {"code": ..., "message": ...}}, as the body of a status from 400 on, or as an event once
the stream has begun. As a client it takes what other apps answer too: any stream of events, JSON
or text; that they end well is all that it asks of them.
"""

import re
from typing import Literal, get_args

import httpx
import msgspec

from harness.providers import sse
from harness.providers.call import (
    UNREADABLE,
    Call,
    Endpoint,
    Malformed,
    Overloaded,
    fault_of,
    late_fault,
    request_of,
)

NAME = "app"
PATH = "/chat"
STREAM = "text/event-stream"

Ended = Literal["paid", "declined", "refunded", "reversed", "unknown", "error", "ok"]
"""How a turn can have ended, as an app tells it. To its client "error" is a fault of the app's."""


class Message(msgspec.Struct, frozen=True):
    """What a user says to the app. Further fields are ignored."""

    user: str
    message: str


class Told(msgspec.Struct, frozen=True):
    """What the app answered. `outcome` is "" where it does not say how the turn ended; of an answer
    that is neither ours nor OpenAI's, `text` is the answer as it stands."""

    text: str
    outcome: Ended | Literal[""] = ""


class BadMessage(Exception):
    """The request holds no message; the words are for whoever sent it."""


def chat(at: Endpoint, path: str, body: bytes) -> Call[Told]:
    """Send a message to the app at this endpoint. The body is JSON that the app understands.

    Raises a ProviderFault for an error status, a stream that breaks off and an error told in it.
    """
    key = {"authorization": f"Bearer {at.key}"} if at.key else {}
    request = request_of("POST", at.url(path), {**_HEADERS, **key}, body)
    return Call(NAME, request, decode_answer)


def decode_answer(status: int, headers: httpx.Headers, body: bytes) -> Told:
    whole = body.decode("utf-8-sig", "replace")
    if status >= 400:
        raise fault_of(status, code=_code_of(_event(whole).error))
    if status >= 300:
        raise Malformed(f"{status}: redirects are not followed", status=status, what="a redirect")
    if body and _is_compressed(headers):
        raise Malformed("a compressed answer")  # None was asked for, and it may hide an error.
    if _media_type(headers) == STREAM:
        return _decode_stream(body)
    if status == 200 and not whole.strip():
        raise Malformed("an empty answer")
    event = _event(whole)
    if event.error:
        raise late_fault(500, _code_of(event.error))
    return _told(event.text or whole, event.outcome)


def decode_message(body: bytes) -> Message:
    """Raises BadMessage."""
    try:
        return msgspec.json.decode(body, type=Message)
    except UNREADABLE as error:
        raise BadMessage(f"the body must be a JSON object with user and message: {error}") from None


def encode_pieces(text: str) -> list[bytes]:
    """An event a word, as models write: spaces stay with the word before, and the texts of the
    events join to the whole."""
    return [sse.encode_json(msgspec.json.encode({"text": word})) for word in _WORDS.findall(text)]


def encode_end(outcome: Ended) -> bytes:
    """The last event of a stream."""
    return sse.encode_json(msgspec.json.encode({"outcome": outcome}))


def encode_error(code: str, message: str) -> bytes:
    """The body of an error status."""
    return msgspec.json.encode({"error": {"code": code, "message": message}})


def encode_error_event(code: str, message: str) -> bytes:
    """The last event of a stream that went wrong after it had begun."""
    return sse.encode_json(encode_error(code, message))


def _is_compressed(headers: httpx.Headers) -> bool:
    told: str = headers.get("content-encoding", "")
    return any(coding.strip().lower() not in ("", "identity") for coding in told.split(","))


def _media_type(headers: httpx.Headers) -> str:
    told: str = headers.get("content-type", "")
    return told.partition(";")[0].strip().lower()


def _decode_stream(body: bytes) -> Told:
    if body and not body.endswith((b"\n", b"\r")):
        raise Malformed("the stream ended within a line")
    # Some leave out the empty line that closes the last event.
    told = list(sse.decode_events(body + b"\n\n"))
    if not told:
        raise Malformed("a stream without events")
    fold = _Fold()
    for event in told:
        fold.add(event)
    return fold.told("\n".join(event.data for event in told))


class _Fold:
    """The events of one stream, gathered."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._outcome: Ended | Literal[""] = ""
        self._is_openai = self._is_done = False

    def add(self, told: sse.Event) -> None:
        self._is_done = self._is_done or told.data == "[DONE]"
        event = _event(told.data)
        if told.name == "error":  # Whatever it holds.
            raise late_fault(500, _code_of(event.error or _json(told.data) or told.data))
        if event.error:
            raise late_fault(500, _code_of(event.error))
        self._is_openai = self._is_openai or event.is_openai
        self._texts.append(event.text)
        self._outcome = event.outcome or self._outcome

    def told(self, whole: str) -> Told:
        if self._is_openai and not self._is_done:
            raise Malformed("the stream ended before [DONE]")
        text = "".join(self._texts)
        return _told(text or ("" if self._outcome else whole), self._outcome)


class _Event(msgspec.Struct, frozen=True):
    """What an event or a whole answer says to us."""

    text: str
    outcome: Ended | Literal[""]
    error: object
    is_openai: bool


def _event(data: str) -> _Event:
    """What stands in it: our fields, and of OpenAI's wire the text. Each is taken for itself: what
    is none of ours, or of another type than ours, says nothing and hides nothing beside it."""
    fields = _fields(_json(data))
    deltas = _deltas(fields.get("choices"))
    text = _text(fields.get("text"))
    if deltas:
        text += "".join(_text(delta.get("content")) for delta in deltas)
    return _Event(text, _ended(fields.get("outcome")), fields.get("error"), bool(deltas))


def _json(data: str) -> object:
    """None if it is none."""
    try:
        return msgspec.json.decode(data)
    except UNREADABLE:
        return None


def _fields(told: object) -> dict[str, object]:
    return told if isinstance(told, dict) else {}


def _deltas(choices: object) -> list[dict[str, object]]:
    """Of the choices that have one."""
    if not isinstance(choices, list):
        return []
    fields = [_fields(choice) for choice in choices]
    return [_fields(choice["delta"]) for choice in fields if "delta" in choice]


def _text(told: object) -> str:
    return told if isinstance(told, str) else ""


def _told(text: str, outcome: Ended | Literal[""]) -> Told:
    if outcome == "error":
        raise Overloaded("it says that the turn ended in an error")
    return Told(text, outcome)


def _ended(outcome: object) -> Ended | Literal[""]:
    """An outcome that we do not know is none."""
    return _ENDED.get(outcome, "") if isinstance(outcome, str) else ""


def _code_of(error: object) -> str:
    """The app's own word for it, "" if none. What has several is for people, and may hold
    anything."""
    fields = _fields(error)
    for told in (fields.get("code"), fields.get("type"), error):
        code = str(told) if type(told) is int and told else _text(told)
        if len(code.split()) == 1:
            return code
    return ""


_ENDED: dict[str, Ended] = {ended: ended for ended in get_args(Ended)}
_WORDS = re.compile(r"\s*\S+\s*|\s+")
_HEADERS = {
    "content-type": "application/json",
    "accept": f"{STREAM}, application/json;q=0.9, */*;q=0.5",
    "accept-encoding": "identity",  # What is timed is not unpacked.
    "user-agent": "tollbench",  # Without one, many a firewall answers in the app's place.
}
