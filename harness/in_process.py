"""A server in this process as an httpx transport: its decided answers, played at their times.

A measured call costs one wait however many chunks its answer has: nobody looks at the stream before
it ends. Whoever does so comes by httpx's own door, and has each chunk at its time.
"""

import httpx

from harness.answer import RESET, Answer, Decide, play
from harness.clock import Clock
from harness.providers.lean import LeanHeaders
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
        if answer.times[-1] > start + patience_s or answer.ending == "silence":
            await clock.sleep_until(start + patience_s)
            return failed(start, clock.now(), out_of_patience(patience_s))
        await clock.sleep_until(answer.times[-1])
        if answer.ending == "reset":
            return failed(start, clock.now(), f"ConnectionResetError: {RESET}", RESET)
        return _measured(answer, start, clock.now())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        return await play(self._clock, self.decide(request))


def _measured(answer: Answer, start: float, end: float) -> Measured:
    first_byte = first_token = end
    if len(answer.chunks) > 1:
        parts = zip(answer.times, answer.chunks, strict=True)
        came = [(time, chunk) for time, chunk in parts if chunk]
        first_byte = max(start, next((time for time, _ in came), end))
        first_token = max(
            start, next((time for time, chunk in came if not is_keep_alive(chunk)), end)
        )
    return Measured(
        start,
        first_byte,
        first_token,
        end,
        answer.status,
        LeanHeaders(answer.headers, "iso-8859-1"),
        b"".join(answer.chunks),
        told=answer.told,
    )
