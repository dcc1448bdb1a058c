"""The ONE way to make a measured call, over any httpx transport.

`measure` is called under the client, so that nothing of our own stands between the clock and the
wire. It never retries and never reads what an answer says.
"""

import asyncio
import os
import re
import socket
import ssl

import httpx
import msgspec

from harness.clock import Clock
from harness.providers.sse import is_keep_alive
from harness.providers.told import Told, decode_told, write_draw

NO_HEADERS = httpx.Headers()


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


class MeasuringTransport(httpx.AsyncBaseTransport):
    """A transport that knows more exactly than its caller when a call began and ended."""

    async def exchange(self, clock: Clock, request: httpx.Request, patience_s: float) -> Measured:
        """What `measure` does, for this transport."""
        raise NotImplementedError


async def measure(
    transport: httpx.AsyncBaseTransport, clock: Clock, request: httpx.Request, patience_s: float
) -> Measured:
    """Send the request and take the whole answer, or give up after `patience_s`."""
    if isinstance(transport, MeasuringTransport):
        return await transport.exchange(clock, request, patience_s)
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
        return failed_by(error.__cause__ or error, start, clock.now())
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
    )


def _stream(response: httpx.Response) -> httpx.AsyncByteStream:
    assert isinstance(response.stream, httpx.AsyncByteStream)
    return response.stream


def out_of_patience(patience_s: float) -> str:
    return f"no whole answer within {patience_s:g} s"


def failed(start: float, end: float, fault: str, kind: str = "") -> Measured:
    """`kind` is by default the fault itself."""
    return Measured(start, end, end, end, 0, NO_HEADERS, b"", fault, kind or fault)


def failed_by(error: BaseException, start: float, end: float) -> Measured:
    return failed(start, end, f"{type(error).__name__}: {error}", _kind_of(error))


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
