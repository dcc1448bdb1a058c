"""How a proxy's requests leave: as they stand, and what comes back is taken as it stands.

No redirect, cookie, compression, proxy of the environment or header of its own. It is aiohttp's
client, as our own refuses what a proxy must carry: HEAD, bodies in pieces, answers of any size. Of
all that it sends, only a call that a server ended on a kept connection, and that may be made twice
by HTTP's rules, is made again.
"""

import ssl
import time
from collections.abc import AsyncIterable, AsyncIterator
from contextvars import ContextVar
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Self, cast

import aiohttp
import httpx
from yarl import URL

from harness.calibrate.taking import SENT
from harness.transport import DIALED, Dialed, Phase, PhaseName

CONNECT_S = 30.0
READ_S = 600.0
"""As the SDKs of models wait for an answer to begin, or to go on."""
IDLE_S = 75.0
MOST_HEAD = 65_536

TARGET = "tollbench.target"
"""The extension that says which path and query to ask for, where those of the URL are not as they
stood."""

_OWN_HEADERS = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
"""What aiohttp would add."""


class Carrier(httpx.AsyncBaseTransport):
    """As many connections as there are calls at once. It belongs to the loop that opens it."""

    def __init__(self, connect_s: float = CONNECT_S, read_s: float = READ_S) -> None:
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_s, sock_read=read_s)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        context = _TimedTls(ssl.PROTOCOL_TLS_CLIENT)
        context.load_default_certs()
        context.set_alpn_protocols(["http/1.1"])
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_S, ssl=context),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=self._timeout,
            trust_env=False,
            auto_decompress=False,
            skip_auto_headers=_OWN_HEADERS,
            trace_configs=[_traced()],
            max_line_size=MOST_HEAD,
            max_field_size=MOST_HEAD,
        )
        return self

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert self._session is not None
        dial = _Dial()
        try:
            answer = await self._session.request(
                request.method,
                _url(request),
                headers=_headers(request),
                data=_body(request),
                allow_redirects=False,
                trace_request_ctx=dial,
            )
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise _told(error) from _cause(error)
        return httpx.Response(
            answer.status,
            headers=answer.raw_headers,
            stream=_Coming(answer),
            extensions=dial.told(isinstance(request.stream, httpx.ByteStream)),
        )


class _Coming(httpx.AsyncByteStream):
    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._answer.content.iter_any():
                yield piece
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _told(error) from _cause(error)

    async def aclose(self) -> None:
        """With its connection, unless it was read to its end."""
        self._answer.close()


def _url(request: httpx.Request) -> URL:
    target: str = request.extensions.get(TARGET, "")
    if not (target and target.isascii()):
        return URL(str(request.url), encoded=True)
    host = request.url.netloc.decode("ascii")
    return URL(f"{request.url.scheme}://{host}{target}", encoded=True)


def _headers(request: httpx.Request) -> list[tuple[str, str]]:
    return [(k.decode("latin-1"), _text(v)) for k, v in request.headers.raw]


def _text(value: bytes) -> str:
    """aiohttp writes UTF-8, so that what is that stays as it is."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _body(request: httpx.Request) -> bytes | AsyncIterable[bytes] | None:
    if isinstance(request.stream, httpx.ByteStream):
        return b"".join(request.stream) or None
    assert isinstance(request.stream, httpx.AsyncByteStream)
    return request.stream


def _told(error: Exception) -> httpx.TransportError:
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return httpx.ConnectTimeout("no connection in time")
    if isinstance(error, TimeoutError):
        return httpx.ReadTimeout("nothing came in time")
    if isinstance(error, aiohttp.ClientConnectorError):
        return httpx.ConnectError(str(_cause(error)))
    if isinstance(error, aiohttp.ClientResponseError):
        # Its own words quote what came, and the URL with all that is in it.
        return httpx.RemoteProtocolError(error.message.split("\n")[0].partition(":")[0])
    return httpx.RemoteProtocolError(str(error) or type(error).__name__)


def _cause(error: Exception) -> Exception | None:
    """What has happened to the socket, where it is that."""
    if isinstance(error, aiohttp.ClientResponseError):
        return None
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return error.certificate_error
    return error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error


# How a connection was opened


@dataclass(slots=True)
class _Dial:
    """What one call waited for before it was sent; times are time.perf_counter's."""

    began: float | None = None
    """None where a connection stood open."""
    name_known: float = 0.0
    tls_began: float = 0.0
    ready: float = 0.0
    written: float = 0.0
    """The head, or the last of the body."""

    def told(self, at_once: bool) -> dict[str, object]:
        """As extensions of a response. A request whose body is not written `at_once` has no one
        moment of being sent."""
        if self.began is not None:
            return {DIALED: self._dialed(self.began)}
        return {SENT: self.written} if at_once else {}

    def _dialed(self, began: float) -> Dialed:
        at, phases = began, []
        for name, end in (("dns", self.name_known), ("tcp", self.tls_began or self.ready)):
            if end:
                phases.append(Phase(cast(PhaseName, name), at, end, True))
                at = end
        if self.tls_began:
            phases.append(Phase("tls", at, self.ready, True))
        return Dialed(self.ready, tuple(phases))


_dial: ContextVar[_Dial | None] = ContextVar("dial", default=None)


class _TimedTls(ssl.SSLContext):
    """Knows when a handshake begins: that is when a connection is there to wrap."""

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        dial = _dial.get()
        if dial is not None:
            dial.tls_began = time.perf_counter()
        return super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)


def _traced() -> aiohttp.TraceConfig:
    config = aiohttp.TraceConfig()
    config.on_connection_create_start.append(_begin)
    config.on_dns_resolvehost_end.append(_know_name)
    config.on_connection_create_end.append(_connected)
    config.on_request_headers_sent.append(_written)
    config.on_request_chunk_sent.append(_written)
    return config


async def _begin(_: object, context: SimpleNamespace, __: object) -> None:
    dial: _Dial = context.trace_request_ctx
    dial.began = time.perf_counter()
    _dial.set(dial)


async def _know_name(_: object, context: SimpleNamespace, __: object) -> None:
    context.trace_request_ctx.name_known = time.perf_counter()


async def _written(_: object, context: SimpleNamespace, __: object) -> None:
    context.trace_request_ctx.written = time.perf_counter()


async def _connected(_: object, context: SimpleNamespace, __: object) -> None:
    context.trace_request_ctx.ready = time.perf_counter()
