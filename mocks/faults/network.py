"""What the network between an app and a provider does wrong: it loses calls and answers, breaks
them off, holds them back, and brings a call twice. It reads nothing of what is said."""

from collections.abc import Callable, Sequence

import httpx
from msgspec import structs

from harness import draws
from harness.answer import Answer, Decide, Ending
from harness.faults import Fault
from harness.providers.told import DrawKey, read_draw
from harness.providers.trace import read_trace
from mocks.desk import Served
from mocks.faults.service import spoilt
from mocks.latency import Delays
from mocks.setting import Setting

LATEST_S = (5.0, 40.0)
"""The least and the most that an answer comes later."""


class Network:
    """The way to one provider, whose mock is `decide`."""

    def __init__(self, setting: Setting, provider: str, decide: Decide) -> None:
        self._setting = setting
        self._provider = provider
        self._decide = decide
        self._delays = Delays(setting.seed, provider)
        """Counters of its own: foreign calls are counted here as they are sent, by the mock as they
        arrive."""

    def carry(self, request: httpx.Request) -> Answer:
        key = read_draw(request) or self._delays.key(request, read_trace(request))
        struck = self._setting.at(self._provider, key)
        if not struck:
            return self._decide(request)
        if "lost" in struck:
            return self._lost(key, request)
        answer = self._decide(request)
        if "duplicates" in struck:
            self._setting.note("duplicates", key)
            # What comes twice was sent once: no client is to be blamed for the second.
            with self._setting.trail.echo():
                self._decide(request)
        if "errors" in struck:
            answer = spoilt(answer)
        if "late" in struck:
            answer = late(answer, self._late_s(key))
        breaks = next((fault for fault in _BREAKS if fault in struck), None)
        if breaks is not None:
            self._setting.note(breaks, key)
            answer = _BREAKS[breaks](answer)
        self._note_what_left(struck, key, answer)
        return answer

    def _note_what_left(self, struck: Sequence[Fault], key: DrawKey, answer: Answer) -> None:
        """An answer of which not even the head leaves is neither an error's nor late."""
        for fault in _OF_ANSWERS:
            if fault in struck and answer.status:
                self._setting.note(fault, key)

    def _lost(self, key: DrawKey, request: httpx.Request) -> Answer:
        """It never arrives: no mock hears of it, and no journal tells of it."""
        self._setting.note("lost", key)
        now, path = self._setting.clock.now(), request.url.path
        sent = Served(self._provider, key, request.method, path, now, 0.0, 0.0, 0.0, 0)
        return _nothing(now, sent, "silence")

    def _late_s(self, key: DrawKey) -> float:
        least, most = LATEST_S
        return draws.microseconds(least + (most - least) * self._delays.luck(key, "late answer"))


def late(answer: Answer, late_s: float) -> Answer:
    """All of it that much later, which is meant so. The mock's own journal tells nothing of it: the
    mock was in time."""
    told = answer.told
    if told is not None:
        told = structs.replace(told, injected_ms=round(told.injected_ms + late_s * 1e3, 3))
    return structs.replace(answer, times=[time + late_s for time in answer.times], told=told)


def silent(answer: Answer) -> Answer:
    """Nothing of it comes, and the connection stays open."""
    return _nothing(answer.times[-1], answer.note, "silence")


def reset(answer: Answer) -> Answer:
    """The connection is reset when its first byte was to come."""
    return _nothing(answer.times[0], answer.note, "reset")


def cut(answer: Answer) -> Answer:
    """About half of the body comes, then the connection is reset: a stream between two chunks,
    when the next was due. Of an answer without a body not even the head is whole."""
    if len(answer.chunks) > 1:
        kept = len(answer.chunks) // 2
        chunks = [*answer.chunks[:kept], b""]
        return structs.replace(
            answer, times=answer.times[: kept + 1], chunks=chunks, ending="reset"
        )
    (body,) = answer.chunks
    if not body:
        return reset(answer)
    return structs.replace(answer, chunks=[body[: len(body) // 2]], ending="reset")


def _nothing(when: float, note: object, ending: Ending) -> Answer:
    return Answer(0, {}, [when], [b""], note=note, ending=ending)


_BREAKS: dict[Fault, Callable[[Answer], Answer]] = {"timeouts": silent, "reset": reset, "cut": cut}
"""The connection breaks once: where several strike, by the first."""

_OF_ANSWERS: tuple[Fault, ...] = ("errors", "late")
"""What is done to an answer."""
