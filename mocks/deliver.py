"""Carries notices to the app over HTTP, and to nobody else: a notice's address is its client's
choice, so it goes to this machine only, or to hosts that whoever serves has named.

Redirects are not followed, proxies of the environment ignored, and an answer has its limits.
"""

import asyncio
import ipaddress
from collections.abc import Callable, Collection

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

PATIENCE_S = 5.0
"""As WeChat Pay waits for the receipt of a notice."""

MOST_ANSWER = 65_536
"""Bytes. A receipt is a few."""

Refused = Callable[[str], None]


class HttpDeliver:
    """A Deliver. It opens its connections in the loop that first uses it, and is closed there."""

    def __init__(
        self, allowed: Collection[str] = (), on_refused: Refused = lambda host: None
    ) -> None:
        """`allowed` are hosts besides this machine, spelled as the addresses spell them;
        `on_refused` is told every other, once."""
        self._allowed = {host.lower() for host in allowed}
        self._on_refused = on_refused
        self._told: set[str] = set()
        self._transport: AiohttpTransport | None = None

    async def __call__(self, notice: httpx.Request) -> httpx.Response:
        self._guard(notice.url)
        transport = self._transport = self._transport or _transport()
        try:
            async with asyncio.timeout(PATIENCE_S):
                answer = await transport.handle_async_request(notice)
                try:
                    body = await _whole(answer)
                finally:
                    await answer.aclose()
        except TimeoutError:
            raise httpx.ReadTimeout(f"no receipt within {PATIENCE_S:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise httpx.ConnectError(f"{type(error).__name__}: {error}") from error
        return httpx.Response(answer.status_code, content=body)

    async def aclose(self) -> None:
        if self._transport:
            await self._transport.aclose()

    def _guard(self, url: httpx.URL) -> None:
        host = url.host.lower()
        if url.scheme not in ("http", "https"):
            raise httpx.UnsupportedProtocol(f"notices go by HTTP, not by {url.scheme!r}")
        if is_loopback(host) or host in self._allowed:
            return
        if host not in self._told:
            self._told.add(host)
            self._on_refused(host)
        raise httpx.ConnectError(f"{host} is not this machine")


def is_loopback(host: str) -> bool:
    """An address that cannot leave this machine, or the name of it. No other name is looked up:
    it could mean something else at the next look."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _transport() -> AiohttpTransport:
    """Kept here and not shared with the harness: the mocks know nothing of it."""
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        skip_auto_headers=("Accept-Encoding",),
    )
    return AiohttpTransport(client=session)


async def _whole(answer: httpx.Response) -> bytes:
    assert isinstance(answer.stream, httpx.AsyncByteStream)
    parts, size = [], 0
    async for part in answer.stream:
        parts.append(part)
        size += len(part)
        if size > MOST_ANSWER:
            raise httpx.ReadError("the receipt is too long")
    return b"".join(parts)
