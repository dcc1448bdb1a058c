"""A server that answers as a test tells it to, byte for byte, and notes what it was asked."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import uvloop

from harness.http1 import Sockets

T = TypeVar("T")

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "uvloop": uvloop.new_event_loop,
    "asyncio": asyncio.SelectorEventLoop,
}

Then = Literal["waits", "closes", "resets", "says no more"]


@dataclass
class Says:
    """What to answer to one request: pieces, one write each, and what to do after them."""

    pieces: tuple[bytes, ...]
    then: Then = "waits"
    reads_body: bool = True


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""What a server does with one connection. It may end as the connection does, with an error."""


@dataclass
class Far:
    """Answers requests in the order in which they come, on whatever connection."""

    says: list[Says]
    heads: list[bytes] = field(default_factory=list)
    connections: int = 0
    gone: int = 0
    """Connections that have ended, from whichever side."""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await self._answer(reader, writer):
                pass
        finally:
            self.gone += 1

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        says = self.says[len(self.heads) - 1]
        if says.reads_body:
            await reader.readexactly(_length(head))
        for piece in says.pieces:
            writer.write(piece)
            await writer.drain()
        if says.then == "says no more":
            await reader.read()
        if says.then == "resets":
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
        return says.then == "waits"


def far(*says: Says | bytes) -> Far:
    return Far([one if isinstance(one, Says) else Says((one,)) for one in says])


def asked(
    serve: Serve,
    ask: Callable[[Sockets, str], Awaitable[T]],
    *,
    loop: str = "uvloop",
    sockets: Callable[[], Sockets] = Sockets,
    tls: ssl.SSLContext | None = None,
) -> T:
    """What `ask` makes of a server at that URL, on a loop of that kind."""

    async def main() -> T:
        async with _listening(serve, tls) as url, sockets() as transport:
            return await ask(transport, url)

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        return runner.run(main())


@contextlib.asynccontextmanager
async def _listening(serve: Serve, tls: ssl.SSLContext | None) -> AsyncIterator[str]:
    """At its end all connections have ended, as those who opened them must have closed them."""
    serving: set[asyncio.Task[None]] = set()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            await serve(reader, writer)
        with contextlib.suppress(OSError):
            writer.close()
            await writer.wait_closed()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.ensure_future(one(reader, writer)))

    listener = await asyncio.start_server(begin, "127.0.0.1", 0, backlog=1024, ssl=tls)
    async with listener:
        scheme = "https" if tls else "http"
        yield f"{scheme}://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        await asyncio.wait_for(asyncio.gather(*serving), 10.0)


def _length(head: bytes) -> int:
    rest = head.lower().partition(b"content-length:")[2]
    return int(rest.split(b"\r\n")[0] or b"0")
