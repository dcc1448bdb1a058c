"""A server in this process as an httpx transport: its decided answers, played at their times.

A measured call costs one wait however many chunks its answer has: nobody looks at the stream before
it ends. Whoever does so comes by httpx's own door, and has each chunk at its time.
"""

import httpx

from harness.answer import RESET, Answer, Decide, play
from harness.clock import Clock
from harness.providers.lean import NamedHeaders
from harness.providers.sse import is_keep_alive
from harness.transport import Measured, MeasuringTransport, failed, out_of_patience


class InProcess(MeasuringTransport):
    """Asks `decide` what each request is answered."""

    def __init__(self, decide: Decide, clock: Clock) -> None:
        self.decide = decide
        self._clock = clock

    async def exchange(self, clock: Clock, request: httpx.Request, patience_s: float) -> Measured:
        """The whole call, as `measure` tells it."""
        start = clock.now()
        answer = self.decide(request)
        ends = answer.times[-1]
        if ends > start + patience_s or answer.ending == "silence":
            await clock.sleep_until(start + patience_s)
            return failed(start, clock.now(), out_of_patience(patience_s))
        await clock.sleep_until(ends)
        if answer.ending == "reset":
            return failed(start, clock.now(), f"ConnectionResetError: {RESET}", RESET)
        return _measured(answer, start, clock.now())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        return await play(self._clock, self.decide(request))


def _measured(answer: Answer, start: float, end: float) -> Measured:
    chunks = answer.chunks
    if len(chunks) == 1:
        first_byte, first_token, body = end, end, chunks[0]
    else:
        first_byte, first_token = _firsts(answer, end)
        first_byte, first_token = max(start, first_byte), max(start, first_token)
        body = b"".join(chunks)
    headers = NamedHeaders(answer.headers, "iso-8859-1")
    return Measured(
        start, first_byte, first_token, end, answer.status, headers, body, "", "", answer.told
    )


def _firsts(answer: Answer, end: float) -> tuple[float, float]:
    """When the first byte came, and the first that is more than a keep-alive line."""
    first_byte: float | None = None
    for time, chunk in zip(answer.times, answer.chunks, strict=True):
        if chunk:
            first_byte = time if first_byte is None else first_byte
            if not is_keep_alive(chunk):
                return first_byte, time
    return end if first_byte is None else first_byte, end
