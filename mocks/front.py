"""A worker of a serving: `python -m mocks.front LISTENER LINE`, two sockets that it inherits.

It takes calls, has the books decide them, and plays the answers at their times; it holds no mock.
It ends when the books say so or are gone. Ctrl-C and SIGTERM are for the books.
"""

import asyncio
import os
import signal
import socket
import sys
from itertools import count

from harness.answer import Answer
from harness.clock import RealClock, run
from mocks.asgi import Asked, asking
from mocks.line import Ask, Begin, Decided, FromBooks, Hello, Line, TurnedDown
from mocks.listening import ENDING, Listening, spare_pauses


def main() -> None:
    for sig in ENDING:
        signal.signal(sig, signal.SIG_IGN)
    listener, line = (socket.socket(fileno=int(number)) for number in sys.argv[1:3])
    run("real", Front().serve(listener, line))


class Front:
    """The worker's side of the line."""

    def __init__(self) -> None:
        self._clock = RealClock()
        self._numbers = count()
        self._open: dict[int, asyncio.Future[Answer]] = {}
        self._begun: asyncio.Future[Begin] | None = None
        self._line: Line[FromBooks] = Line(FromBooks, self._hear, self._gone)
        self._server: Listening | None = None

    async def serve(self, listener: socket.socket, line: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._begun = loop.create_future()
        await loop.create_unix_connection(lambda: self._line, sock=line)
        begin = await self._begun
        application = asking(self.ask, self._clock, self._turned_down)
        self._server = Listening(application, begin.grace_s, self._ready)
        await self._server.serve(sockets=[listener])

    async def ask(self, asked: Asked) -> Answer:
        number = next(self._numbers)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._open[number] = answer
        self._line.say(Ask(number, asked))
        try:
            return await answer
        finally:
            del self._open[number]

    def _hear(self, message: FromBooks) -> None:
        if isinstance(message, Decided):
            waiting = self._open.get(message.number)
            if waiting is not None and not waiting.done():
                told = message.status, message.headers, message.times, message.chunks
                waiting.set_result(Answer(*told, ending=message.ending))
        elif isinstance(message, Begin):
            assert self._begun is not None
            self._begun.set_result(message)
        elif self._server is not None:
            self._server.end()
        else:
            os._exit(0)  # It takes no calls yet.

    def _turned_down(self, method: str, path: str, answer: Answer) -> None:
        self._line.say(TurnedDown(method, path, answer.status))

    def _ready(self) -> None:
        self._line.say(Hello(self._clock.now()))
        spare_pauses()

    def _gone(self) -> None:
        # At once: nobody is left who could decide anything.
        os._exit(0)


if __name__ == "__main__":
    main()
