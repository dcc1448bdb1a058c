"""What a client reads on the OpenAI wire, whole and streamed; it writes nothing.

It is looser than what a server writes: a field that it has no use for may hold anything, and the
ways of the whole family are understood. What is no answer raises a ProviderFault, whose text never
holds what the provider said but for its machine-readable words.
"""

import re
from collections.abc import Sequence
from typing import Literal

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
    return _reply([got], _Folded(got.choices[:1], streamed=False))


def decode_stream(body: bytes) -> Reply:
    """The whole stream folded into one reply. A stream that ends early is Malformed: a text cut
    off in its middle must never pass for the model's answer."""
    told = sse.decode_data(body)
    ended = "[DONE]" in told
    if ended:
        del told[told.index("[DONE]") :]
    got = _all_got(told)
    choices = [choice for each in got for choice in each.choices]
    folded = _Folded(choices, streamed=True)
    if not ended:
        raise Malformed("the stream ended before [DONE]")
    return _reply(got, folded)


class _Folded:
    """What one answer said, in one part or many."""

    def __init__(self, choices: Sequence["_GotChoice"], streamed: bool) -> None:
        self.texts: list[str] = []
        self.thoughts: list[str] = []
        self.calls: dict[int, tuple[str, str, list[str]]] = {}
        self.finish = ""
        for choice in choices:
            if choice.finish_reason:
                self.finish = choice.finish_reason
            said = choice.delta if streamed else choice.message
            if said is None:
                continue
            if said.content:
                self.texts.append(text_of(said.content))
            if thought := said.reasoning_content or said.reasoning:
                self.thoughts.append(thought)
            if said.tool_calls:
                self._add_calls(said.tool_calls)

    def _add_calls(self, parts: list["_GotCall"]) -> None:
        for n, part in enumerate(parts):
            index = n if part.index is None else part.index
            function = part.function or _GotFunction()
            if index not in self.calls:
                if part.id is None or function.name is None:
                    raise Malformed("a tool call that starts without id and name")
                self.calls[index] = (part.id, function.name, [])
            self.calls[index][2].append(function.arguments or "")


def _reply(got: Sequence["_Got"], folded: _Folded) -> Reply:
    if not got or folded.finish not in _FINISHES:
        raise Malformed("an answer without a finish reason that the wire knows")
    head = got[0]
    return Reply(
        id=head.id,
        model=head.model,
        created=head.created,
        text="".join(folded.texts) or None,
        tool_calls=tuple(
            [
                ToolCall(id_, name, "".join(arguments))
                for _, (id_, name, arguments) in sorted(folded.calls.items())
            ]
        ),
        finish=_FINISHES[folded.finish],
        usage=_used(got),
        reasoning="".join(folded.thoughts),
    )


def _all_got(told: list[str]) -> Sequence["_Got"]:
    """The chunks of a stream: read at once, and one by one only where something is wrong. Each is
    held to be an object of its own: it stands in brackets, which two halves of one cannot close."""
    try:
        got = [each for (each,) in _SOUND.decode(f"[[{'],['.join(told)}]]")]
    except UNREADABLE:
        got = []
    return got if len(got) == len(told) else [_got(each) for each in told]


def _got(body: bytes | str) -> "_Got":
    """A completion or a chunk of one. Once the status is 200, trouble can only be told inside."""
    try:
        got = parse(body, _Got)
    except Malformed:
        told = _error_body(body)
        if told and (told.error or told.object == "error"):
            raise _late_fault(_words(told)) from None
        raise
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


def _used(got: Sequence["_Got"]) -> Usage | None:
    for each in reversed(got):
        if of := each.usage:
            details = of.completion_tokens_details
            reasoning = details.reasoning_tokens if details else None
            return Usage(of.prompt_tokens, of.completion_tokens, reasoning or 0)
    return None


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


class _GotFunction(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: str | None = None


class _GotCall(msgspec.Struct, gc=False):
    """Some providers count no index."""

    index: int | None = None
    id: str | None = None
    function: _GotFunction | None = None


class _GotMessage(msgspec.Struct, gc=False):
    content: str | list[Part] | None = None
    tool_calls: list[_GotCall] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None


class _GotChoice(msgspec.Struct, gc=False):
    finish_reason: str | None = None
    message: _GotMessage | None = None
    delta: _GotMessage | None = None


class _GotDetails(msgspec.Struct, gc=False):
    reasoning_tokens: int | None = None


class _GotUsage(msgspec.Struct, gc=False):
    prompt_tokens: int
    completion_tokens: int
    completion_tokens_details: _GotDetails | None = None


class _Got(msgspec.Struct, gc=False):
    """A completion, or one chunk of it. With an `error`, told when trouble came after the status,
    it is none."""

    id: str
    model: str
    created: int
    choices: Sequence[_GotChoice]
    usage: _GotUsage | None = None
    error: None = None


class _SoundChoice(_GotChoice, gc=False):
    finish_reason: Literal[
        "", "stop", "length", "model_length", "tool_calls", "content_filter"
    ] | None = None  # fmt: skip


class _Sound(_Got, kw_only=True, gc=False):
    """One that was not broken off."""

    choices: Sequence[_SoundChoice]


_SOUND = msgspec.json.Decoder(list[tuple[_Sound]])


class _Words(msgspec.Struct):
    type: str | None = None
    code: str | int | None = None
    status: str | int | None = None


class _ErrorBody(_Words):
    """Mistral's words stand beside `object`, the others' under `error`."""

    object: str | None = None
    error: _Words | None = None
