"""A raw client's connection: one request at a time, timed at the socket; it is the yardstick for
mock servers, so it does as little as can be done."""

import asyncio
import time
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import httptools


@dataclass(frozen=True, slots=True)
class Answer:
    """Seconds are those of perf_counter, from just before the request was written to just after
    the answer's last byte was read."""

    status: int
    body: bytes
    sent: float
    ended: float
    told_ms: float | None
    """The delay that the server meant, if it told one."""

    @property
    def took_ms(self) -> float:
        return (self.ended - self.sent) * 1e3


class Lost(Exception):
    """The connection ended before the answer did."""


class Connection(asyncio.Protocol):
    """`open` until the other side ends it, as some do after every answer."""

    def __init__(self) -> None:
        self.open = False
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[Answer] | None = None
        self._body: list[bytes] = []
        self._told_ms: float | None = None
        self._sent = self._read = 0.0

    async def ask(self, request: bytes) -> Answer:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        self._answer = answer
        self._body, self._told_ms = [], None
        self._sent = time.perf_counter()
        self._transport.write(request)
        return await answer

    def close(self) -> None:
        self._transport.close()

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass of it
        self.open = True

    def data_received(self, data: bytes) -> None:
        self._read = time.perf_counter()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        self.open = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(Lost())

    # The parser's side

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"x-tollbench-told":
            self._told_ms = float(value.split(b",")[0])

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        if not self._parser.should_keep_alive():
            self.open = False
            self._transport.close()
        status, body = self._parser.get_status_code(), b"".join(self._body)
        assert self._answer is not None
        if not self._answer.done():
            self._answer.set_result(Answer(status, body, self._sent, self._read, self._told_ms))


async def connect(port: int) -> Connection:
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(Connection, "127.0.0.1", port)
    return connection


def post(url: str, headers: dict[str, str], body: bytes) -> bytes:
    """A request's bytes."""
    at = urlsplit(url)
    lines = [f"POST {at.path} HTTP/1.1", f"host: {at.netloc}", "content-type: application/json"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"content-length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body
