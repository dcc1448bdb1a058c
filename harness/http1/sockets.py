"""Calls over a pool of kept connections, each timed by the connection that carries it, and the
opening of that told apart.

Requests go as they stand and answers are taken as they stand: no retry, redirect, proxy, cookie or
compression of its own.
"""

import asyncio
import ssl
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import httpx

from harness.clock import Clock
from harness.http1.connection import Connection, Expired
from harness.http1.dial import Origin, Steps, dial
from harness.http1.wire import Incoming, encode_request
from harness.providers.lean import LeanHeaders
from harness.providers.told import decode_told, write_draw
from harness.transport import (
    DIALED,
    NO_HEADERS,
    Dialed,
    Measured,
    MeasuringTransport,
    failed,
    failed_by,
    out_of_patience,
)


class Sockets(MeasuringTransport):
    """As many connections as there are calls at once, in the loop that runs.

    Of those that are idle the newest is taken first, so that what a burst has left over grows old
    and goes. A limit would queue calls unseen, so there is none. httpx's own pool scans every open
    connection for every request: at 300 requests/s of one second each it adds seconds of latency
    that are not there.
    """

    def __init__(self, idle_s: float = 75.0) -> None:
        """A connection that has been idle for `idle_s` is not used again."""
        self.opened = 0
        """Connections opened so far."""
        self.calls = 0
        """Requests sent so far: `calls - opened` of them on a kept connection, but for those that
        were opened ahead and not used."""
        self._idle_s = idle_s
        self._idle: dict[Origin, deque[Connection]] = defaultdict(deque)
        self._open: set[Connection] = set()
        self._ahead: dict[Origin, asyncio.Future[float]] = {}
        """Those being opened ahead that no call waits for yet; it tells when that was over."""
        self._tls: ssl.SSLContext | None = None

    async def exchange(self, clock: Clock, request: httpx.Request, patience_s: float) -> Measured:
        """Send the request and take the whole answer, or give up after `patience_s`.

        The clock has to be the real one. Whatever goes wrong on the wire is a fault; a request
        that this client cannot carry is raised.
        """
        write_draw(request)
        origin = self._origin(request)
        start = clock.now()
        steps = Steps(clock.now, start)
        message = await _message(request)
        try:
            connection = await self._connection(origin, patience_s, steps)
        except (OSError, Expired) as error:
            return _failed(error, patience_s, start, clock.now(), steps.dialed)
        answer = Incoming(clock.now)
        waiter = connection.ask(message, answer)
        connection.expire_at(start + patience_s)
        try:
            await waiter
        except asyncio.CancelledError:
            connection.give_up(answer)
            raise
        if answer.error is not None:
            return _failed(answer.error, patience_s, start, answer.end, steps.dialed)
        headers = LeanHeaders(answer.headers, "iso-8859-1")
        return Measured(
            start,
            answer.end if answer.first_byte is None else answer.first_byte,
            answer.end if answer.first_token is None else answer.first_token,
            answer.end,
            answer.status,
            headers,
            b"".join(answer.chunks),
            told=decode_told(headers),
            dialed=steps.dialed,
        )

    async def connect(self, clock: Clock, url: httpx.URL, patience_s: float) -> Measured | None:
        """Open a connection that the next call to there takes, unless one is idle. Who calls while
        it is being opened waits for it; only the first does."""
        origin = self._origin(httpx.Request("GET", url))
        if origin in self._ahead or self._idle_ones(origin):
            return None
        start = clock.now()
        steps = Steps(clock.now, start)
        ahead = self._ahead[origin] = asyncio.get_running_loop().create_future()
        try:
            async with _patient(patience_s):
                (await self._dialed(origin, steps)).rest()
        except Expired:
            told = f"no connection within {patience_s:g} s"
            return failed(start, clock.now(), told, dialed=steps.dialed)
        except OSError as error:
            return failed_by(error, start, clock.now(), steps.dialed)
        finally:
            if self._ahead.get(origin) is ahead:
                del self._ahead[origin]
            if not ahead.done():
                ahead.set_result(steps.at)
        end = steps.at
        return Measured(start, end, end, end, 0, NO_HEADERS, b"", dialed=steps.dialed)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """For httpx's own client. Of its timeouts, those for connecting and for reading hold."""
        limits = cast(dict[str, float | None], request.extensions.get("timeout", {}))
        origin = self._origin(request)
        steps = Steps(time.perf_counter, time.perf_counter())
        message = await _message(request)
        try:
            connection = await self._connection(origin, limits.get("connect"), steps)
        except (OSError, Expired) as error:
            raise _unconnected(error, request, steps.dialed) from error
        answer = Incoming(time.perf_counter, in_pieces=True)
        connection.ask(message, answer)
        body = _Body(connection, answer, limits.get("read"))
        try:
            await body.head()
        except httpx.TransportError as error:
            vars(error)[DIALED] = steps.dialed
            raise
        return httpx.Response(
            answer.status,
            headers=answer.headers,
            stream=body,
            request=request,
            extensions={DIALED: steps.dialed},
        )

    async def aclose(self) -> None:
        """Close every connection; calls that still run on one become faults."""
        for connection in list(self._open):
            connection.close()
        while self._open:  # The loop tells each of them in one of its next rounds.
            await asyncio.sleep(0)

    def _origin(self, request: httpx.Request) -> Origin:
        """Where the request goes. What TLS trusts is read before the first call there begins."""
        origin = _origin(request)
        if origin[0] == "https":
            self._tls = self._tls or _tls()
        return origin

    async def _connection(
        self, origin: Origin, patience_s: float | None, steps: Steps
    ) -> Connection:
        connection = self._kept(origin)
        if connection is None:
            async with _patient(patience_s):
                connection = await self._opened_ahead(origin, steps)
                connection = connection or await self._dialed(origin, steps)
        self.calls += 1
        return connection

    def _kept(self, origin: Origin) -> Connection | None:
        idle = self._idle_ones(origin)
        return idle.pop() if idle else None

    def _idle_ones(self, origin: Origin) -> deque[Connection]:
        """Those that may be of use, the newest last, which is for sure."""
        idle = self._idle[origin]
        oldest = time.perf_counter() - self._idle_s
        while idle and (idle[0].lost or idle[0].idle_since <= oldest):
            idle.popleft().close()
        while idle and idle[-1].lost:
            idle.pop()
        return idle

    async def _opened_ahead(self, origin: Origin, steps: Steps) -> Connection | None:
        """The one that is being opened ahead, for the first who asks. It may not have come about,
        or a call that came later has been quicker to take it."""
        ahead = self._ahead.pop(origin, None)
        if ahead is None:
            return None
        steps.wait_until(await ahead)
        return self._kept(origin)

    async def _dialed(self, origin: Origin, steps: Steps) -> Connection:
        connection = Connection(self._open, self._idle[origin])
        try:
            await dial(origin, connection, self._tls if origin[0] == "https" else None, steps)
        except BaseException:
            connection.abandon()
            raise
        self.opened += 1
        return connection


class _Body(httpx.AsyncByteStream):
    """The body of an answer, piece by piece as it comes."""

    def __init__(self, connection: Connection, answer: Incoming, read_s: float | None) -> None:
        self._connection = connection
        self._answer = answer
        self._read_s = read_s

    async def head(self) -> None:
        """Return when the head is whole."""
        while not self._answer.status:
            self._raise_error()
            await self._more()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        answer = self._answer
        while True:
            chunks, answer.chunks = answer.chunks, []
            for chunk in chunks:
                yield chunk
            if answer.chunks:
                continue  # They came while the others were being used.
            self._raise_error()
            if answer.over:
                return
            await self._more()

    async def aclose(self) -> None:
        self._connection.give_up(self._answer)

    async def _more(self) -> None:
        try:
            async with asyncio.timeout(self._read_s):
                await self._connection.more()
        except TimeoutError as error:
            await self.aclose()
            raise httpx.ReadTimeout(f"nothing came for {self._read_s:g} s") from error
        except asyncio.CancelledError:
            await self.aclose()
            raise

    def _raise_error(self) -> None:
        error = self._answer.error
        if isinstance(error, httpx.TransportError):
            raise error
        if error is not None:
            raise httpx.ReadError(str(error)) from error


def _origin(request: httpx.Request) -> Origin:
    url = request.url
    scheme = url.scheme
    if scheme not in ("http", "https"):
        raise httpx.UnsupportedProtocol(f"calls go by http or https, not by {scheme!r}")
    if request.method in ("HEAD", "CONNECT"):
        # The parser knows nothing of the request: it would wait for a body that never comes.
        raise httpx.UnsupportedProtocol(f"this client cannot read the answer to {request.method}")
    return scheme, url.raw_host.decode("ascii"), url.port or (443 if scheme == "https" else 80)


async def _message(request: httpx.Request) -> bytes:
    """A body that is a stream is read first, for as long as that takes."""
    try:
        return encode_request(request)
    except httpx.RequestNotRead:
        await request.aread()
        return encode_request(request)


def _failed(
    error: Exception, patience_s: float, start: float, end: float, dialed: Dialed | None
) -> Measured:
    if isinstance(error, Expired):
        return failed(start, end, out_of_patience(patience_s), dialed=dialed)
    return failed_by(error, start, end, dialed)


def _unconnected(
    error: Exception, request: httpx.Request, dialed: Dialed | None
) -> httpx.TransportError:
    """The same in httpx's words; it says how far the opening came."""
    told: httpx.TransportError = httpx.ConnectError(str(error), request=request)
    if isinstance(error, Expired):
        told = httpx.ConnectTimeout("no connection in time", request=request)
    vars(told)[DIALED] = dialed
    return told


@asynccontextmanager
async def _patient(patience_s: float | None) -> AsyncIterator[None]:
    """Raises Expired when that is over."""
    try:
        async with asyncio.timeout(patience_s) as patience:
            yield
    except TimeoutError:  # Which may be the network's too.
        if patience.expired():
            raise Expired from None
        raise


def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
