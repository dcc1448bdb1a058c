"""An answer that is decided whole before its time has come, and its playing; it decides nothing.

A mock decides everything at a request's arrival. Whoever hosts it plays the answer: in process,
on a socket, or as an httpx response.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Literal, NoReturn

import httpx
import msgspec

from harness.clock import Clock
from harness.providers.told import TOLD_HEADER, Told, encode_told

Ending = Literal["whole", "reset", "silence"]
"""The answer is whole, or at the last time its connection is reset, or nothing more ever comes."""

RESET = "connection reset by peer"


class Answer(msgspec.Struct, frozen=True):
    """Each chunk leaves at its time, in the clock's seconds, rising; status and headers leave with
    the first. There is at least one chunk, which may be empty.
    """

    status: int
    headers: Mapping[str, str]
    """By name, in lower case; text that latin-1 can hold."""
    times: Sequence[float]
    chunks: Sequence[bytes]
    told: Told | None = None
    """What a mock meant by it."""
    note: object = None
    """For whoever keeps a log."""
    ending: Ending = "whole"
    """What comes after the last chunk. Where `status` is 0 not even the head leaves."""

    @property
    def told_headers(self) -> Mapping[str, str]:
        """With the one that says on a wire what was meant."""
        return (
            self.headers
            if self.told is None
            else {**self.headers, TOLD_HEADER: encode_told(self.told)}
        )

    @property
    def wire_headers(self) -> list[tuple[bytes, bytes]]:
        """The same as they are written."""
        told = self.told_headers.items()
        return [(name.encode(), value.encode("latin-1")) for name, value in told]


Decide = Callable[[httpx.Request], Answer]
"""A server as a function; it reads the content of the request, which must be there already."""


def plain(clock: Clock, status: int, text: str, headers: Mapping[str, str] = {}) -> Answer:
    """An answer in words, at once: of whoever hosts a mock, for what cannot be asked of one."""
    body = text.encode()
    told = {"content-type": "text/plain; charset=utf-8", "content-length": str(len(body))}
    return Answer(status, {**headers, **told}, [clock.now()], [body])


async def play(clock: Clock, answer: Answer) -> httpx.Response:
    """The answer as a response that begins when the first chunk is due; a body of several chunks
    is streamed. Raises httpx.ReadError where the answer breaks off; one that falls silent is waited
    for without end."""
    await clock.sleep_until(answer.times[0])
    if answer.status == 0:
        await _break_off(clock, answer)
    headers = answer.wire_headers
    if len(answer.chunks) == 1 and answer.ending == "whole":
        return httpx.Response(answer.status, headers=headers, content=answer.chunks[0])
    return httpx.Response(answer.status, headers=headers, stream=_Timed(clock, answer))


class _Timed(httpx.AsyncByteStream):
    """Chunks that leave at their times, never before."""

    def __init__(self, clock: Clock, answer: Answer) -> None:
        self._clock, self._answer = clock, answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for time, chunk in zip(self._answer.times, self._answer.chunks, strict=True):
            await self._clock.sleep_until(time)
            yield chunk
        if self._answer.ending != "whole":
            await _break_off(self._clock, self._answer)


async def _break_off(clock: Clock, answer: Answer) -> NoReturn:
    await clock.sleep_until(answer.times[-1])
    if answer.ending == "silence":
        await asyncio.Event().wait()
    # The cause is what a socket of our own would have told.
    raise httpx.ReadError(RESET) from ConnectionResetError(RESET)
