"""A reverse proxy as an ASGI application: what clients ask of an upstream passes, and is recorded.

`/NAME/rest` goes to that upstream's own `/rest`. Of what passes nothing is changed but what belongs
to one connection; keys go through and are kept nowhere. A small body that has its length is read
before it is sent on, so that no client's slowness is in the times; all else passes piece by piece.
An Expect is answered here: who proxies has the body anyway.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from functools import lru_cache
from typing import Any

import httpx

from harness.calibrate.carrier import TARGET
from harness.calibrate.exchange import STAGE_HEADER
from harness.calibrate.recorder import Recorder
from harness.calibrate.taking import Taking
from harness.calibrate.transport import recorded, stage_of
from harness.clock import Clock

READ_FIRST = 1024 * 1024
"""Bytes of a request's body up to which it is read before it is sent on."""

OWN_HEADERS = b"x-tollbench-"
"""How the headers between us and our own mocks begin."""

_OF_ONE_CONNECTION = frozenset({
    b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization",
    b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade",
})  # fmt: skip
"""RFC 9110, section 7.6.1, and what older clients send."""

_NO_BODY = (204, 304)

_url = lru_cache(1024)(httpx.URL)
"""Most calls go where others went, and reading a URL takes long."""

Message = MutableMapping[str, Any]  # the ASGI specification's own type
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
RawHeaders = list[tuple[bytes, bytes]]


class Proxy:
    """`upstreams` are by name what stands before the path: scheme, host, and more if need be."""

    def __init__(
        self, upstreams: Mapping[str, str], carrier: httpx.AsyncBaseTransport, recorder: Recorder
    ) -> None:
        self._upstreams = upstreams
        self._carrier = carrier
        self._recorder = recorder

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        name, rest = _split(scope)
        root = self._upstreams.get(name)
        if root is None:
            known = ", ".join(self._upstreams)
            await _say(send, 404, f"no upstream is there: begin a path with one of {known}")
            return
        try:
            url = _url(root + rest)
        except httpx.InvalidURL as error:
            await _say(send, 400, f"no such path can be: {error}")
            return
        body = await _body(scope["headers"], receive, self._recorder.clock)
        if body is not None:
            request = _request(scope, url, body)
            request.extensions[TARGET] = _target(root, rest)
            await self._carry(name, request, body, send)

    async def _carry(self, name: str, request: httpx.Request, body: "_Body", send: Send) -> None:
        """Until it is over, or the client is gone: then the upstream is told at once."""
        stage = stage_of(request, self._recorder.stage_header)
        request.headers.pop(STAGE_HEADER, None)
        taking = Taking(self._recorder, request, name, stage, proxied=True)
        try:
            async with asyncio.timeout(None) as staying:
                # Not the passing: of many calls at once each would wait for all others' beginning.
                leaving = asyncio.create_task(_end_with(body, staying))
                try:
                    await self._pass(request, taking, body, send)
                finally:
                    leaving.cancel()
        except TimeoutError:
            if not staying.expired():
                raise
        finally:
            taking.finish()

    async def _pass(
        self, request: httpx.Request, taking: Taking, body: "_Body", send: Send
    ) -> None:
        now = self._recorder.clock.now
        began = now()
        try:
            answer = await recorded(self._carrier, request, taking, self._recorder)
        except (httpx.TransportError, OSError) as error:
            timeout = isinstance(error, httpx.TimeoutException)
            await _say(send, 504 if timeout else 502, f"{request.url.netloc.decode()}: {error}")
            return
        late = (began if taking.sent_at is None else taking.sent_at) - body.ready_at
        assert isinstance(answer.stream, httpx.AsyncByteStream)
        try:
            await send(_start(answer))
            first = True
            async for piece in answer.stream:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                taking.handed_on(len(piece))
                if first:
                    first = False
                    taking.proxy_s = late + now() - (taking.first_came or now())
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            if first:
                taking.proxy_s = late + now() - (taking.head_came or now())
        except (httpx.TransportError, OSError):
            # An answer that is not ended is cut off by the server, as it was for us.
            return
        finally:
            await answer.stream.aclose()


class _Body(httpx.AsyncByteStream):
    """A request's body, and whether its client is still there."""

    def __init__(self, receive: Receive, whole: bytes | None, ready_at: float) -> None:
        self.ready_at = ready_at
        """When the client had done what we waited for."""
        self.whole = whole
        self._receive = receive
        self._read = asyncio.Event()
        self._gone = False
        if whole is not None:
            self._read.set()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._gone = True
                self._read.set()
                await asyncio.Event().wait()  # Whoever hears of it ends this call.
            more = message.get("more_body", False)
            if piece := message.get("body", b""):
                yield piece
        self._read.set()

    async def left(self) -> None:
        """Return when the client is gone."""
        await self._read.wait()
        while not self._gone:
            self._gone = (await self._receive())["type"] == "http.disconnect"


async def _end_with(body: _Body, staying: asyncio.Timeout) -> None:
    await body.left()
    staying.reschedule(0.0)


async def _body(headers: RawHeaders, receive: Receive, clock: Clock) -> _Body | None:
    """None where the client was gone before its request was whole."""
    named = {name.lower(): value for name, value in headers}
    length = int(named.get(b"content-length", b"0") or b"0")
    if b"transfer-encoding" in named or length > READ_FIRST:
        return _Body(receive, None, clock.now())
    pieces, more = [], True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        pieces.append(message.get("body", b""))
        more = message.get("more_body", False)
    return _Body(receive, b"".join(pieces), clock.now())


def _request(scope: Message, url: httpx.URL, body: _Body) -> httpx.Request:
    stream = body if body.whole is None else httpx.ByteStream(body.whole)
    headers = [
        (name, value)
        for name, value in _passing(scope["headers"], (b"host", b"expect"))
        if not name.startswith(OWN_HEADERS) or _may_be_ours(url) or name == STAGE_HEADER.encode()
    ]
    host = (b"host", url.netloc)
    return httpx.Request(scope["method"], url, headers=[host, *headers], stream=stream)


def _may_be_ours(url: httpx.URL) -> bool:
    """No provider is ever sent a header of ours; its mock, on this machine, is."""
    return url.scheme == "http"


def _start(answer: httpx.Response) -> Message:
    status = answer.status_code
    left_out = (b"content-length",) if status in _NO_BODY else ()
    headers = _passing(answer.headers.raw, left_out)
    return {"type": "http.response.start", "status": status, "headers": headers}


def _passing(headers: RawHeaders, left_out: tuple[bytes, ...]) -> RawHeaders:
    """All but those of one connection, and those that Connection itself names."""
    named = b",".join(value for name, value in headers if name.lower() == b"connection")
    ends_here = {*_OF_ONE_CONNECTION, *left_out, *(n.strip().lower() for n in named.split(b","))}
    return [(name, value) for name, value in headers if name.lower() not in ends_here]


def _split(scope: Message) -> tuple[str, str]:
    """The name that a path begins with, and what is behind it, query and all, as it was sent."""
    path: str = scope["raw_path"].decode("latin-1")
    query: str = scope["query_string"].decode("latin-1")
    begin, name, *rest = path.split("/", 2) if "/" in path else ("*", "")
    behind = "".join(f"/{part}" for part in rest)
    return "" if begin else name, behind + (f"?{query}" if query else "")


def _target(root: str, rest: str) -> str:
    """What is asked for at the upstream's host, as it was sent: a URL that was read is another."""
    _, slash, path = root.partition("://")[2].partition("/")
    target = slash + path + rest
    return target if target.startswith("/") else f"/{target}"


async def _say(send: Send, status: int, why: str) -> None:
    body = f"tollbench record: {' '.join(why.split())}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
