"""An app's inbox on a socket, in the loop that runs its flows, so that notices come over HTTP.

It listens on loopback, on any free port, for as long as the context lasts.
"""

import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
from aiohttp import web

from harness.flow.inbox import Inbox

LOOPBACK = "127.0.0.1"
GRACE_S = 1.0
"""How long notices under way may take at the end."""


@contextlib.asynccontextmanager
async def inbox_server(inbox: Inbox) -> AsyncIterator[str]:
    """The address that providers are to be given."""
    runner = web.ServerRunner(
        web.Server(_serving(inbox), access_log=None), shutdown_timeout=GRACE_S
    )
    await runner.setup()
    try:
        listener = socket.create_server((LOOPBACK, 0), backlog=1024)
        await web.SockSite(runner, listener).start()
        yield f"http://{LOOPBACK}:{listener.getsockname()[1]}"
    finally:
        await runner.cleanup()


def _serving(inbox: Inbox) -> Callable[[web.BaseRequest], Awaitable[web.Response]]:
    async def serve(asked: web.BaseRequest) -> web.Response:
        request = httpx.Request(
            asked.method, str(asked.url), headers=asked.raw_headers, content=await asked.read()
        )
        answer = await inbox(request)
        headers = {"content-type": answer.headers.get("content-type", "text/plain")}
        return web.Response(status=answer.status_code, body=answer.content, headers=headers)

    return serve
