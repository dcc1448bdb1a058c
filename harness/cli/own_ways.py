"""The door of a function's turns on a socket: a reverse proxy on loopback, in the loop that plays
them, by which clients that are none of httpx reach the mocks.

Each call that comes in is made by the turn whose address it came to, and measured there as any
other; of its own it adds nothing to what a client asks, or is answered.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
from aiohttp import web

from harness.flow.own_door import Door
from harness.flow.routing import BadFlow, Client

LOOPBACK = "127.0.0.1"
GRACE_S = 1.0
"""How long calls under way may take at the end."""

_OF_THE_CONNECTION = frozenset({b"connection", b"keep-alive", b"transfer-encoding"})
"""Headers of an answer that say how it came here."""


@contextlib.asynccontextmanager
async def served_door() -> AsyncIterator[Door]:
    """A door, open for as long as the context lasts."""
    door = Door()
    server = web.Server(
        _serving(door), access_log=None, handler_cancellation=True, auto_decompress=False
    )
    runner = web.ServerRunner(server, shutdown_timeout=GRACE_S)
    await runner.setup()
    try:
        listener = socket.create_server((LOOPBACK, 0), backlog=1024)
        await web.SockSite(runner, listener).start()
        door.url = f"http://{LOOPBACK}:{listener.getsockname()[1]}"
        yield door
    finally:
        await runner.cleanup()


def _serving(door: Door) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    async def serve(asked: web.BaseRequest) -> web.StreamResponse:
        try:
            place, path = door.come(asked.raw_path)
            client = Client(asked.raw_headers, await _body(asked))
            task = asyncio.current_task()
            assert task is not None
            place.turn.keep(task)
            response, is_read = await place.turn.send_in(place.asked_in, asked.method, path, client)
        except BadFlow as mistake:
            return web.Response(status=404, text=str(mistake))
        except httpx.TransportError:
            return _broken_off(asked)
        try:
            return await _handed_on(asked, response)
        finally:
            await response.aclose()
            is_read()

    return serve


async def _body(asked: web.BaseRequest) -> bytes:
    """All of it, however large. A client that first asks whether it may send it would wait a second
    for the answer, and that would be told as the user's own time."""
    if asked.headers.get("expect", "").lower() == "100-continue" and asked.transport is not None:
        asked.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    return await asked.content.read()


async def _handed_on(asked: web.BaseRequest, response: httpx.Response) -> web.StreamResponse:
    """Piece by piece, as it comes."""
    answer = web.StreamResponse(status=response.status_code)
    for name, value in response.headers.raw:
        if name.lower() not in _OF_THE_CONNECTION:
            answer.headers.add(name.decode("latin-1"), value.decode("latin-1"))
    await answer.prepare(asked)
    try:
        async for chunk in response.stream:  # type: ignore[union-attr]  # as `streamed` has made it
            await answer.write(chunk)
    except httpx.TransportError:
        return _broken_off(asked, answer)
    await answer.write_eof()
    return answer


def _broken_off(
    asked: web.BaseRequest, answer: web.StreamResponse | None = None
) -> web.StreamResponse:
    """As it was with the mock: its client is told no more than that the connection is gone."""
    if asked.transport is not None:
        asked.transport.abort()
    return answer or web.Response(status=502)
