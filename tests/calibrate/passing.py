"""A recording proxy and an upstream of a test's own, both on loopback in the test's loop; it
asserts nothing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from harness.calibrate.carrier import Carrier
from harness.calibrate.exchange import Exchange, decode_exchange, is_head
from harness.calibrate.proxy import Proxy
from harness.calibrate.recorder import Recorder
from harness.clock import run
from mocks.asgi import Application, Message, Receive, Send
from mocks.listening import configured

LOOPBACK = "127.0.0.1"
NAME = "there"
PATIENCE_S = 20.0


@dataclass
class Asked:
    """What the upstream was asked, read to its end."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        return dict(self.headers).get(name, "")


@dataclass
class Passing:
    """Where the proxy is, what the upstream got, and what was recorded."""

    url: str
    upstream: str
    file: Path
    recorder: Recorder
    asked: list[Asked] = field(default_factory=list)
    client: httpx.AsyncClient = field(
        default_factory=lambda: httpx.AsyncClient(trust_env=False, timeout=PATIENCE_S)
    )

    @property
    def lines(self) -> list[bytes]:
        return self.file.read_bytes().splitlines()

    @property
    def exchanges(self) -> list[Exchange]:
        told = [decode_exchange(line) for line in self.lines if not is_head(line)]
        return [exchange for exchange in told if exchange is not None]

    async def recorded(self, number: int = 1) -> list[Exchange]:
        """When there are so many; a line is written after its answer is handed on."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.exchanges) < number:
                await asyncio.sleep(0.001)
        return self.exchanges


Play = Callable[[Passing], Coroutine[Any, Any, None]]
Answer = Callable[[Asked, Send], Awaitable[None]]


def passing(
    tmp_path: Path,
    upstream: Application,
    play: Play,
    read_s: float = PATIENCE_S,
    bodies: bool = False,
) -> Passing:
    """Play it with a client, a proxy and the upstream; returned is what is left of it."""
    file = tmp_path / "calls.jsonl"
    kept: list[Passing] = []

    async def main() -> None:
        with Recorder(file, bodies=bodies) as recorder:
            async with (
                served(upstream) as there,
                Carrier(read_s=read_s) as carrier,
                served(Proxy({NAME: there}, carrier, recorder)) as url,
            ):
                here = Passing(f"{url}/{NAME}", there, file, recorder)
                kept.append(here)
                async with here.client:
                    await play(here)

    run("real", main())
    return kept[0]


@contextlib.asynccontextmanager
async def served(application: Application) -> AsyncIterator[str]:
    """Without uvicorn's own loop, which looks ten times a second whether it is to end."""
    config = configured(application)
    config.server_header = config.date_header = False
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: HttpToolsProtocol(config, state, {}), LOOPBACK, 0
    )
    try:
        yield f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for connection in [*state.connections]:
            connection.shutdown()
        for task in state.tasks:
            task.cancel()
        await asyncio.gather(*state.tasks, return_exceptions=True)


def answering(asked: list[Asked], answer: Answer) -> Application:
    """An upstream that reads each request to its end, notes it, and answers."""

    async def application(scope: Message, receive: Receive, send: Send) -> None:
        request = await read(scope, receive)
        asked.append(request)
        await answer(request, send)

    return application


async def read(scope: Message, receive: Receive) -> Asked:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    query = scope["query_string"].decode()
    return Asked(
        scope["method"],
        scope["raw_path"].decode() + (f"?{query}" if query else ""),
        [(name.decode(), value.decode()) for name, value in scope["headers"]],
        body,
    )


async def say(
    send: Send, status: int, body: bytes, *headers: tuple[str, str], length: bool = True
) -> None:
    told = [(name.encode(), value.encode()) for name, value in headers]
    told += [(b"content-length", b"%d" % len(body))] if length else []
    await send({"type": "http.response.start", "status": status, "headers": told})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def told_of(body: bytes) -> Any:
    return msgspec.json.decode(body)
