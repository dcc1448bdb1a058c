"""`tollbench` in a process of its own, with a server on this machine in place of api.stripe.com.

python -m tests.real.localstripe_run PORT compare ...
"""

import contextlib
import sys
from collections.abc import AsyncIterator
from functools import partial

import httpx

from harness.cli import real_ways
from harness.cli.app import main
from harness.clock import Clock
from harness.http1 import Sockets
from harness.real import reaper
from harness.transport import Measured, MeasuringTransport


class Instead(MeasuringTransport):
    """Sends to that port of loopback what is for Stripe, and nothing else anywhere."""

    def __init__(self, sockets: MeasuringTransport, port: int) -> None:
        self._sockets = sockets
        self._port = port

    async def exchange(self, clock: Clock, request: httpx.Request, patience_s: float) -> Measured:
        headers = [each for each in request.headers.raw if each[0].lower() != b"host"]
        led = httpx.Request(
            request.method, self._led(request.url), headers=headers, content=request.content
        )
        return await self._sockets.exchange(clock, led, patience_s)

    async def connect(self, clock: Clock, url: httpx.URL, patience_s: float) -> Measured | None:
        return await self._sockets.connect(clock, self._led(url), patience_s)

    def _led(self, url: httpx.URL) -> httpx.URL:
        assert (url.scheme, url.host) == ("https", "api.stripe.com")
        return url.copy_with(scheme="http", host="127.0.0.1", port=self._port)


@contextlib.asynccontextmanager
async def instead(port: int) -> AsyncIterator[MeasuringTransport]:
    async with Sockets() as sockets:
        yield Instead(sockets, port)


if __name__ == "__main__":
    real_ways.INTERNET = partial(instead, int(sys.argv.pop(1)))
    reaper.ON_ITS_WAY_S = 3.0  # On one machine no order is under way for longer.
    main()
