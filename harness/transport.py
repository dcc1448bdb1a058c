"""The ONE way to make a measured call, over any httpx transport.

`measure` is called under the client, so that nothing of our own stands between the clock and the
wire; `streamed` is the same for a client of somebody else's, that wants each piece of an answer as
it comes. Neither ever retries or reads what an answer says.
"""

import asyncio
import os
import re
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import Any, Literal

import httpx
import msgspec

from harness.clock import Clock
from harness.providers.sse import is_keep_alive
from harness.providers.told import Told, decode_told, write_draw

NO_HEADERS = httpx.Headers()

DIALED = "dialed"
"""The extension by which a response says how its connection was opened, if it was for it, and the
attribute by which an error says it."""


PhaseName = Literal["dns", "tcp", "tls"]
"""What opening a connection takes: to look up the host's name, to connect, to shake hands."""


class Phase(msgspec.Struct, frozen=True):
    """One of the phases; times are the clock's seconds."""

    name: PhaseName
    start: float
    end: float
    done: bool
    """False where it failed, or was cut off."""


class Dialed(msgspec.Struct, frozen=True):
    """What a call waited for until it had its connection, or knew that it gets none.

    Each phase begins where the one before it ended, and the last ends when all is `ready`. There is
    none where the call waited for a connection that somebody else was opening.
    """

    ready: float
    phases: tuple[Phase, ...] = ()


class Measured(msgspec.Struct, frozen=True):
    """One call as seen from here; times are the clock's seconds.

    `first_byte` is when the first byte of the body came, `first_token` when the first came that is
    more than a keep-alive line. `fault` says why there is no whole answer; `status` is then 0 and
    `end` is when that was known.
    """

    start: float
    first_byte: float
    first_token: float
    end: float
    status: int
    headers: httpx.Headers
    body: bytes
    fault: str = ""
    fault_kind: str = ""
    """The same in words that all such faults share: no address, port or file is in them."""
    told: Told | None = None
    """What a mock meant to take."""
    dialed: Dialed | None = None
    """None where a connection stood open, or the transport does not say. It is a part of the call,
    which begins before it."""


class MeasuringTransport(httpx.AsyncBaseTransport):
    """A transport that knows more exactly than its caller when a call began and ended."""

    async def exchange(self, clock: Clock, request: httpx.Request, patience_s: float) -> Measured:
        """What `measure` does, for this transport."""
        raise NotImplementedError

    async def connect(self, clock: Clock, url: httpx.URL, patience_s: float) -> Measured | None:
        """Open a connection to there that the next call finds open: what that took, as of a call
        that has no answer. None where one stands open or is being opened, or this transport has
        none to open."""
        return None


def measure(
    transport: httpx.AsyncBaseTransport, clock: Clock, request: httpx.Request, patience_s: float
) -> Coroutine[Any, Any, Measured]:
    """Send the request and take the whole answer, or give up after `patience_s`."""
    if isinstance(transport, MeasuringTransport):
        return transport.exchange(clock, request, patience_s)
    return _measure(transport, clock, request, patience_s)


async def _measure(
    transport: httpx.AsyncBaseTransport, clock: Clock, request: httpx.Request, patience_s: float
) -> Measured:
    write_draw(request)
    start = clock.now()
    first_byte = first_token = None
    try:
        async with asyncio.timeout(patience_s):
            response = await transport.handle_async_request(request)
            chunks = []
            try:
                async for chunk in _stream(response):
                    if chunk and first_token is None:
                        now = clock.now()
                        first_byte = now if first_byte is None else first_byte
                        first_token = None if is_keep_alive(chunk) else now
                    chunks.append(chunk)
            finally:
                await response.aclose()
        end = clock.now()
    except TimeoutError:
        return failed(start, clock.now(), out_of_patience(patience_s))
    except (httpx.TransportError, OSError) as error:
        # Transports over another library name their own errors; the cause says what it was.
        return failed_by(error.__cause__ or error, start, clock.now(), _dialed(vars(error)))
    first_byte = end if first_byte is None else first_byte
    first_token = end if first_token is None else first_token
    return Measured(
        start,
        first_byte,
        first_token,
        end,
        response.status_code,
        response.headers,
        b"".join(chunks),
        told=decode_told(response.headers),
        dialed=_dialed(response.extensions),
    )


Tell = Callable[[Measured, bool], None]
"""Takes a call that is over, its body left out, and whether the answer was waited for to its end:
nobody knows how long it would have taken where it was not."""


async def streamed(
    transport: httpx.AsyncBaseTransport,
    clock: Clock,
    request: httpx.Request,
    read_s: float | None,
    tell: Tell,
) -> httpx.Response:
    """Send the request; the response is there with its head, and its body comes piece by piece.

    `tell` hears of the call once: when its answer is whole or broken, or nobody wants the rest. An
    answer is read as fast as it comes, whatever its client does meanwhile, so that no piece has
    come later than it did. When nothing comes for `read_s`, that is a httpx.ReadTimeout.
    """
    write_draw(request)
    call = Streamed(clock, read_s, tell)
    try:
        async with asyncio.timeout(read_s) as patience:
            response = await transport.handle_async_request(request)
    except TimeoutError as error:
        raise call.broken(error, patience.expired()) from error
    except BaseException as error:
        call.broken(error)
        raise
    call.begin(response)
    return httpx.Response(response.status_code, headers=response.headers, stream=call)


class Streamed(httpx.AsyncByteStream):
    """The body of an answer, and what is known of its call so far."""

    def __init__(self, clock: Clock, read_s: float | None, tell: Tell) -> None:
        self._clock = clock
        self._read_s = read_s
        self._tell: Tell | None = tell
        self._start = clock.now()
        self._first_byte: float | None = None
        self._first_token: float | None = None
        self._unfinished_line = b""
        self._response: httpx.Response | None = None
        self._dialed: Dialed | None = None
        self.reader: asyncio.Task[None] | None = None
        """Reads what has not come with the head; None where all has."""
        self._chunks: deque[bytes] = deque()
        self._error: BaseException | None = None
        self._waiter: asyncio.Future[None] | None = None

    def begin(self, response: httpx.Response) -> None:
        self._response = response
        self._dialed = _dialed(response.extensions)
        if isinstance(response.stream, httpx.ByteStream):  # It has come as a whole.
            self._take(b"".join(response.stream))
            self._over(whole=True)
        else:
            self.reader = asyncio.get_running_loop().create_task(self._read(_stream(response)))

    def broken(self, error: BaseException, expired: bool = False) -> BaseException:
        """There is no more of it because of that; returned is what its client is to be told."""
        if expired:
            told = f"nothing came for {self._read_s:g} s"
            self._say(failed(self._start, self._clock.now(), told, dialed=self._dialed))
            return httpx.ReadTimeout(told)
        if isinstance(error, httpx.TransportError | OSError):
            # As `measure` has it: the cause says what a transport over another library calls it.
            cause, dialed = error.__cause__ or error, _dialed(vars(error)) or self._dialed
            self._say(failed_by(cause, self._start, self._clock.now(), dialed))
        else:
            self._over(whole=False)
        return error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            while self._chunks:
                yield self._chunks.popleft()
            if self._error is not None:
                raise self._error
            if self._tell is None:
                return
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    async def aclose(self) -> None:
        """Whoever closes an answer that is not over wants no more of it."""
        self._over(whole=False)
        if self.reader is not None and not self.reader.done():
            self.reader.cancel()
            await asyncio.wait([self.reader])
            assert self._response is not None
            await _stream(self._response).aclose()  # It may not have begun to read.

    async def _read(self, stream: httpx.AsyncByteStream) -> None:
        pieces = aiter(stream)
        patience = asyncio.timeout(None)
        try:
            while True:
                async with asyncio.timeout(self._read_s) as patience:
                    self._take(await anext(pieces))
        except StopAsyncIteration:
            self._over(whole=True)
        except asyncio.CancelledError:
            self._over(whole=False)
            raise
        except Exception as error:
            self._error = self.broken(error, isinstance(error, TimeoutError) and patience.expired())
        finally:
            await stream.aclose()
            self._wake()

    def _take(self, chunk: bytes) -> None:
        if not chunk:
            return
        if self._first_token is None:
            now = self._clock.now()
            self._first_byte = now if self._first_byte is None else self._first_byte
            # Keep-alive lines are judged as whole lines, wherever the network has cut them.
            lines = self._unfinished_line + chunk
            self._first_token = None if is_keep_alive(lines) else now
            self._unfinished_line = lines[lines.rfind(b"\n") + 1 :]
        self._chunks.append(chunk)
        self._wake()

    def _over(self, whole: bool) -> None:
        end = self._clock.now()
        response = self._response
        headers = NO_HEADERS if response is None else response.headers
        self._say(
            Measured(
                self._start,
                end if self._first_byte is None else self._first_byte,
                end if self._first_token is None else self._first_token,
                end,
                0 if response is None else response.status_code,
                headers,
                b"",
                told=decode_told(headers),
                dialed=self._dialed,
            ),
            whole,
        )

    def _say(self, took: Measured, whole: bool = True) -> None:
        tell, self._tell = self._tell, None
        if tell is not None:
            tell(took, whole)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _stream(response: httpx.Response) -> httpx.AsyncByteStream:
    assert isinstance(response.stream, httpx.AsyncByteStream)
    return response.stream


def _dialed(told: Mapping[str, object]) -> Dialed | None:
    dialed = told.get(DIALED)
    return dialed if isinstance(dialed, Dialed) else None


def out_of_patience(patience_s: float) -> str:
    return f"no whole answer within {patience_s:g} s"


def failed(
    start: float, end: float, fault: str, kind: str = "", dialed: Dialed | None = None
) -> Measured:
    """`kind` is by default the fault itself."""
    kind = kind or fault
    return Measured(start, end, end, end, 0, NO_HEADERS, b"", fault, kind, dialed=dialed)


def failed_by(
    error: BaseException, start: float, end: float, dialed: Dialed | None = None
) -> Measured:
    return failed(start, end, f"{type(error).__name__}: {error}", _kind_of(error), dialed)


def _kind_of(error: BaseException) -> str:
    """What went wrong, without what an error's own words hold of this connection alone."""
    if isinstance(error, ssl.SSLError):
        reason: str | None = getattr(error, "reason", None)  # as the handshake sets it
        return f"TLS: {reason or 'it failed'}"
    if isinstance(error, socket.gaierror):
        return "the host's name is not known"
    words = str(error)
    # Of several addresses that were tried, asyncio tells of all in one error without a number.
    number = (error.errno if isinstance(error, OSError) else None) or _errno_in(words)
    if number:
        return os.strerror(number).lower()
    own = _OWN_END.split(_QUOTED.sub("..", words))[0]
    return _NUMBERS.sub("#", own).strip() or type(error).__name__


def _errno_in(words: str) -> int | None:
    found = _ERRNO.search(words)
    return int(found[1]) if found else None


_ERRNO = re.compile(r"\[Errno ([0-9]{1,3})\]")
_QUOTED = re.compile(r"'[^']*'")
_OWN_END = re.compile(r"[\"'`(\[{<]|: ")
"""Where the words of the error's author end and what it tells of begins."""
_NUMBERS = re.compile(r"[0-9]+(?:\.[0-9]+){2,}|[0-9]{2,}")
