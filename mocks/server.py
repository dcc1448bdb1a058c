"""The mocks on a loopback socket, in a process of their own: `python -m mocks.server [PORT]`.

It reads one line of JSON (a MockConfig) from standard input, answers with one line, the port that
it listens on, and serves until standard input ends. So it cannot outlive whoever started it,
however that one dies. A line that is no MockConfig is told in one line, and ends it with code 2.
"""

import gc
import os
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from functools import cache
from typing import Any

import httpx
import msgspec
import uvicorn

from harness.clock import RealClock
from mocks.host import LOOPBACK, Host, Mock, MockConfig
from mocks.keys import private_key

Message = MutableMapping[str, Any]  # the ASGI specification's own type


def asgi(mock: Mock) -> Callable[..., Awaitable[None]]:
    """The mock as an ASGI application: bodies are streamed as they come, never gathered."""

    async def application(
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        response = await mock(await _request(scope, receive))
        head = {"type": "http.response.start", "status": response.status_code}
        await send({**head, "headers": [(k.lower(), v) for k, v in response.headers.raw]})
        assert isinstance(response.stream, httpx.AsyncByteStream)
        async for chunk in response.stream:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body"})

    return application


async def _request(scope: Message, receive: Callable[[], Awaitable[Message]]) -> httpx.Request:
    parts, more = [], True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    query = scope["query_string"].decode("ascii")
    url = _url(scope["path"] + ("?" + query if query else ""))
    return httpx.Request(scope["method"], url, headers=scope["headers"], content=b"".join(parts))


@cache
def _url(path: str) -> httpx.URL:
    return httpx.URL("http://mocks" + path)


def main() -> None:
    try:
        config = msgspec.json.decode(sys.stdin.buffer.readline(), type=MockConfig)
    except msgspec.DecodeError as error:
        print(f"mocks.server: no configuration on standard input: {error}", file=sys.stderr)
        sys.exit(2)
    private_key(0)
    try:
        listener = socket.create_server((LOOPBACK, int(*sys.argv[1:2])), backlog=4096)
    except OSError as error:
        print(f"mocks.server: port {sys.argv[1]}: {os.strerror(error.errno or 0)}", file=sys.stderr)
        sys.exit(2)
    server = uvicorn.Server(
        uvicorn.Config(
            asgi(Host(RealClock(), config)),
            http="httptools",
            lifespan="off",
            log_level="warning",
            access_log=False,
        )
    )
    threading.Thread(target=_end_with_input, daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    # A pause of the collector would look like latency; this process lives for one run only.
    gc.freeze()
    gc.disable()
    server.run(sockets=[listener])


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    # At once: there is nothing to save, and whoever waits for an answer is gone.
    os._exit(0)


if __name__ == "__main__":
    main()
