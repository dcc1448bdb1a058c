"""The wire between the workers that hold the sockets and the books, which decide: whole messages
both ways over a stream socket, each as its length and then msgpack.

Both ends are processes of one serving, so neither is distrusted. It knows no mock.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar, cast

import msgspec

from harness.answer import Ending
from mocks.asgi import Asked

AT_ONCE = 8
"""Messages that are taken before the loop looks round, so that a burst on one line holds back
neither its own first answers nor the other lines."""


class Hello(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """A worker listens; `now` is what its clock says."""

    now: float


class Ask(msgspec.Struct, frozen=True, array_like=True, tag=1, gc=False):
    """`number` is the worker's own; it is what the answer is found by."""

    number: int
    asked: Asked


class TurnedDown(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """A worker has answered this itself; for the log."""

    method: str
    path: str
    status: int


class Begin(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """The first message to a worker; `grace_s` is how long calls under way may take at the end."""

    grace_s: int


class Decided(msgspec.Struct, frozen=True, array_like=True, tag=1, gc=False):
    """The answer to the call of that number; its fields are those of an Answer."""

    number: int
    status: int
    headers: Mapping[str, str]
    times: Sequence[float]
    chunks: Sequence[bytes]
    ending: Ending = "whole"


class End(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """Take no more calls, finish those under way, and end."""


FromWorker = Hello | Ask | TurnedDown
FromBooks = Begin | Decided | End
Heard = TypeVar("Heard")

_LENGTH = 4
"""Bytes of a length, most significant first."""


class Line(asyncio.Protocol, Generic[Heard]):
    """One end: it hands on what it hears, in order, and tells once when the other end is gone."""

    def __init__(
        self,
        kind: object,
        hear: Callable[[Heard], None],
        gone: Callable[[], None] = lambda: None,
    ) -> None:
        """`kind` is the type of what is heard here."""
        self._decoder = cast("msgspec.msgpack.Decoder[Heard]", msgspec.msgpack.Decoder(kind))
        self._hear = hear
        self._gone = gone
        self._encoder = msgspec.msgpack.Encoder()
        self._transport: asyncio.Transport | None = None
        self._bytes = bytearray()
        self._waiting: deque[bytes] = deque()
        self._working = False

    def say(self, message: FromWorker | FromBooks) -> None:
        """Nothing is heard by an end that is gone."""
        assert self._transport is not None
        told = self._encoder.encode(message)
        self._transport.write(len(told).to_bytes(_LENGTH) + told)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._gone()

    def data_received(self, data: bytes) -> None:
        self._bytes += data
        begin = 0
        while (body := begin + _LENGTH) <= len(self._bytes):
            end = body + int.from_bytes(self._bytes[begin:body])
            if end > len(self._bytes):
                break
            self._waiting.append(bytes(self._bytes[body:end]))
            begin = end
        del self._bytes[:begin]
        if not self._working:
            self._work()

    def _work(self) -> None:
        for _ in range(min(AT_ONCE, len(self._waiting))):
            self._hear(self._decoder.decode(self._waiting.popleft()))
        self._working = bool(self._waiting)
        if self._working:
            asyncio.get_running_loop().call_soon(self._work)
