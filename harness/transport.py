"""The ONE place where a call is measured, and the transports that carry calls.

`measure` is called under the client, on an httpx transport, so that nothing of our own stands
between the clock and the wire. It never retries and never reads what an answer says.
"""

import asyncio
from dataclasses import dataclass

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from harness.clock import Clock
from harness.providers.sse import is_keep_alive

NO_HEADERS = httpx.Headers()


@dataclass(frozen=True, slots=True)
class Measured:
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


async def measure(
    transport: httpx.AsyncBaseTransport, clock: Clock, request: httpx.Request, patience_s: float
) -> Measured:
    """Send the request and take the whole answer, or give up after `patience_s`."""
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
        return _failed(start, clock.now(), f"no whole answer within {patience_s:g} s")
    except (httpx.TransportError, aiohttp.ClientError, OSError) as error:
        # httpx-aiohttp calls a refused connection a ConnectTimeout; its cause says what it was.
        cause = error.__cause__ or error
        return _failed(start, clock.now(), f"{type(cause).__name__}: {cause}")
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
    )


def socket_transport() -> httpx.AsyncBaseTransport:
    """aiohttp's connection pool under httpx's API; to be made inside the running loop.

    httpx's own pool scans every open connection for every request: at 300 requests/s of one second
    each it adds seconds of latency that are not there. aiohttp's default limit of 100 connections
    would queue the rest unseen, so there is none. Cookies are off: no call may lean on an earlier
    one. Proxies of the environment are ignored, so that a measurement goes where it says. Bodies
    come as they were sent: no compression is asked for, as nothing here would undo it.
    """
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=75),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        skip_auto_headers=("Accept-Encoding",),
    )
    return AiohttpTransport(client=session)


def _stream(response: httpx.Response) -> httpx.AsyncByteStream:
    assert isinstance(response.stream, httpx.AsyncByteStream)
    return response.stream


def _failed(start: float, end: float, fault: str) -> Measured:
    return Measured(start, end, end, end, 0, NO_HEADERS, b"", fault)
