"""What a client reads on the OpenAI wire, whole and streamed; it writes nothing.

It is looser than what a server writes: a field that it has no use for may hold anything, and the
ways of the whole family are understood. What is no answer raises a ProviderFault, whose text never
holds what the provider said but for its machine-readable words.
"""

import re

import httpx
import msgspec

from harness.providers import sse
from harness.providers.call import (
    UNREADABLE,
    Malformed,
    Overloaded,
    ProviderFault,
    code_name,
    fault_of,
    late_fault,
    parse,
)
from harness.providers.chat import Finish, Reply, ToolCall, Usage
from harness.providers.openai.ask import Part, text_of


def decode_reply(status: int, headers: httpx.Headers, body: bytes) -> Reply:
    if status != 200:
        told = _error_body(body)
        words = _words(told) if told else ""
        # Some repeat the status as their code.
        code = " ".join(word for word in words.split() if word != str(status))
        shown = " ".join(code_name(word) for word in words.split()) or "without an error body"
        raise fault_of(status, f"{status} {shown}", code)
    if headers.get("content-type", "").startswith("text/event-stream"):
        return decode_stream(body)
    got = _got(body)
    if not got.choices:
        raise Malformed("a completion without choices")
    choice = got.choices[0]
    message = choice.message or _GotMessage()
    fold = _Fold()
    fold.add(got, message, choice.finish_reason)
    return fold.reply()


def decode_stream(body: bytes) -> Reply:
    """The whole stream folded into one reply. A stream that ends early is Malformed: a text cut
    off in its middle must never pass for the model's answer."""
    told: list[str] = []
    ended = False
    for event in sse.decode_events(body):
        if ended := event.data == "[DONE]":
            break
        told.append(event.data)
    fold = _Fold()
    for got in _all_got(told):
        for choice in got.choices or [_GotChoice()]:
            fold.add(got, choice.delta or _GotMessage(), choice.finish_reason)
    if not ended:
        raise Malformed("the stream ended before [DONE]")
    return fold.reply()


class _Fold:
    """The parts of one answer, gathered into a reply."""

    def __init__(self) -> None:
        self._head: _Got | None = None
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._calls: dict[int, tuple[str, str, list[str]]] = {}
        self._finish = ""
        self._usage: Usage | None = None

    def add(self, got: "_Got", said: "_GotMessage", finish: str | None) -> None:
        self._head = self._head or got
        self._usage = _used(got.usage) or self._usage
        self._finish = finish or self._finish
        self._texts.append(text_of(said.content))
        self._thoughts.append(said.reasoning_content or said.reasoning or "")
        for n, call in enumerate(said.tool_calls or ()):
            self._add_call(n if call.index is None else call.index, call)

    def _add_call(self, index: int, part: "_GotCall") -> None:
        function = part.function or _GotFunction()
        if index not in self._calls:
            if part.id is None or function.name is None:
                raise Malformed("a tool call that starts without id and name")
            self._calls[index] = (part.id, function.name, [])
        self._calls[index][2].append(function.arguments or "")

    def reply(self) -> Reply:
        if self._head is None or self._finish not in _FINISHES:
            raise Malformed("an answer without a finish reason that the wire knows")
        head, text = self._head, "".join(self._texts)
        return Reply(
            id=head.id,
            model=head.model,
            created=head.created,
            text=text or None,
            tool_calls=tuple(
                ToolCall(id_, name, "".join(arguments))
                for _, (id_, name, arguments) in sorted(self._calls.items())
            ),
            finish=_FINISHES[self._finish],
            usage=self._usage,
            reasoning="".join(self._thoughts),
        )


def _all_got(told: list[str]) -> list["_Got"]:
    """The chunks of a stream: read at once, and one by one only where something is wrong."""
    try:
        got = _CHUNKS.decode(f"[{','.join(told)}]")
    except UNREADABLE:
        got = []
    if len(got) != len(told):
        return [_got(each) for each in told]
    for each, text in zip(got, told, strict=True):
        if each.error is not None or any(of.finish_reason in _BROKEN_OFF for of in each.choices):
            _got(text)  # which raises
    return got


def _got(body: bytes | str) -> "_Got":
    """A completion or a chunk of one. Once the status is 200, trouble can only be told inside."""
    try:
        got = parse(body, _Got)
    except Malformed:
        told = _error_body(body)
        if told and (told.error or told.object == "error"):
            raise _late_fault(_words(told)) from None
        raise
    if got.error is not None:
        told = _error_body(body)
        raise _late_fault(_words(told) if told else "")
    for choice in got.choices:
        if choice.finish_reason in _BROKEN_OFF:
            why = choice.finish_reason or ""
            raise Overloaded(f"broken off by the provider: {why}", code=why, what="broken off")
    return got


def _late_fault(words: str) -> ProviderFault:
    """OpenRouter names the status that it would have answered with."""
    status = next((int(word) for word in words.split() if re.fullmatch("[45][0-9]{2}", word)), 500)
    return late_fault(status, words)


def _error_body(body: bytes | str) -> "_ErrorBody | None":
    """An error body in whichever of the family's shapes; Google's are in an array."""
    try:
        told = msgspec.json.decode(body, type=_ErrorBody | list[_ErrorBody])
    except UNREADABLE:
        return None
    if isinstance(told, list):
        return told[0] if told else None
    return told


def _words(told: "_ErrorBody") -> str:
    """The machine-readable words; never the message, which may repeat what was sent."""
    error = told.error or told
    words = (error.type or error.status, error.code)
    return " ".join(str(word) for word in words if word is not None and _WORD.fullmatch(str(word)))


def _used(of: "_GotUsage | None") -> Usage | None:
    if of is None:
        return None
    details = of.completion_tokens_details
    reasoning = details.reasoning_tokens if details else None
    return Usage(of.prompt_tokens, of.completion_tokens, reasoning or 0)


_FINISHES: dict[str, Finish] = {
    "stop": "stop",
    "length": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
}
_BROKEN_OFF = ("error", "insufficient_system_resource")
"""OpenRouter's and Mistral's finish reason of an answer that failed, and DeepSeek's."""
_WORD = re.compile(r"[\w.-]{1,64}")


# The shapes that a client reads


class _GotFunction(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _GotCall(msgspec.Struct):
    """Some providers count no index."""

    index: int | None = None
    id: str | None = None
    function: _GotFunction | None = None


class _GotMessage(msgspec.Struct):
    content: str | list[Part] | None = None
    tool_calls: list[_GotCall] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None


class _GotChoice(msgspec.Struct):
    finish_reason: str | None = None
    message: _GotMessage | None = None
    delta: _GotMessage | None = None


class _GotDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class _GotUsage(msgspec.Struct):
    prompt_tokens: int
    completion_tokens: int
    completion_tokens_details: _GotDetails | None = None


class _Got(msgspec.Struct):
    """A completion, or one chunk of it. `error` is there when trouble came after the status."""

    id: str
    model: str
    created: int
    choices: list[_GotChoice]
    usage: _GotUsage | None = None
    error: msgspec.Raw | None = None


_CHUNKS = msgspec.json.Decoder(list[_Got])


class _Words(msgspec.Struct):
    type: str | None = None
    code: str | int | None = None
    status: str | int | None = None


class _ErrorBody(_Words):
    """Mistral's words stand beside `object`, the others' under `error`."""

    object: str | None = None
    error: _Words | None = None
