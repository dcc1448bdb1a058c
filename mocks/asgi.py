"""A mock as an ASGI application; what cannot be asked of a mock is answered here.

That is a body too large, one that never ends, a path that is none. A client that went away before
it had asked is answered nothing. It listens to no socket.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from functools import lru_cache
from typing import Any

import httpx

from mocks.host import IN_PROCESS_URL, Mock
from mocks.log import RequestLog

MOST_BODY = 1_048_576
"""Bytes of a request's body."""

BODY_PATIENCE_S = 10.0
"""How long a client may take to send its body."""

Message = MutableMapping[str, Any]  # the ASGI specification's own type
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


def asgi(mock: Mock, log: RequestLog | None = None) -> Application:
    """The mock as an ASGI application: bodies are streamed as they come, never gathered."""
    log = log or RequestLog()

    async def application(scope: Message, receive: Receive, send: Send) -> None:
        asked = await _asked(scope, receive)
        if asked is None:
            return
        response = None
        try:
            response = await mock(asked) if isinstance(asked, httpx.Request) else asked
        finally:
            log.note(scope["method"], scope["path"], response)
        await _answer(response, send)

    return application


async def _asked(scope: Message, receive: Receive) -> httpx.Request | httpx.Response | None:
    """What the client asks, or the answer to what cannot be asked; None when it is gone."""
    try:
        async with asyncio.timeout(BODY_PATIENCE_S):
            body = await _body(receive)
    except TimeoutError:
        why = f"the body did not end within {BODY_PATIENCE_S:g} s"
        return httpx.Response(408, headers={"connection": "close"}, text=why)
    if body is None:
        return None
    if len(body) > MOST_BODY:
        return httpx.Response(413, text=f"a body has {MOST_BODY:,} bytes at most")
    try:
        url = _url(scope["raw_path"], scope["query_string"])
    except (httpx.InvalidURL, UnicodeDecodeError) as error:
        return httpx.Response(400, text=f"no such path can be: {error}")
    return httpx.Request(scope["method"], url, headers=scope["headers"], content=body)


async def _body(receive: Receive) -> bytes | None:
    """The whole body, or more than may be; the server forgets the rest. None when it broke off."""
    parts, size, more = [], 0, True
    while more and size <= MOST_BODY:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        more = message.get("more_body", False)
    return b"".join(parts)


@lru_cache(1024)
def _url(path: bytes, query: bytes) -> httpx.URL:
    # The path as it was sent: an escaped question mark is no query.
    target = path + b"?" + query if query else path
    return httpx.URL(IN_PROCESS_URL + target.decode("ascii"))


async def _answer(response: httpx.Response, send: Send) -> None:
    head = {"type": "http.response.start", "status": response.status_code}
    await send({**head, "headers": [(k.lower(), v) for k, v in response.headers.raw]})
    assert isinstance(response.stream, httpx.AsyncByteStream)
    async for chunk in response.stream:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body"})
