"""A serving of several processes: this one keeps the books, and each worker has a listener.

A worker that dies ends the serving: what it had taken is lost, and nothing makes up for it.
"""

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from mocks.books import Books
from mocks.line import Begin, End, FromWorker, Hello, Line
from mocks.listening import ENDING

START_S = 60.0
"""How long the workers may take until all of them listen."""

LEFT_S = 2.0
"""How long they may take to end, beyond the grace of the calls under way."""


class Died(Exception):
    """A worker that was not told to end has ended, or one never began."""


class ClocksDiffer(Exception):
    """A process of this machine cannot tell another a time: their clocks are not one."""


class Fronts:
    """The workers, one for each listener, which it alone has from then on."""

    def __init__(self, books: Books, listeners: Sequence[socket.socket]) -> None:
        self._changed = asyncio.Event()
        self._listeners = listeners
        self._workers = [Worker(books, self._changed.set) for _ in listeners]
        self._told = 0
        """How often they were told to end."""

    async def serve(self, grace_s: int, ready: Callable[[], None]) -> None:
        """Returns when Ctrl-C or SIGTERM has told all to end and they have, with `grace_s` for the
        calls under way; a second Ctrl-C ends them at once."""
        with self._hearing_signals():
            try:
                await self._start(grace_s)
                if self._all_well():
                    ready()
                await self._until(lambda: not self._all_well())
                if self._told:
                    await self._finish(grace_s)
            finally:
                codes = [worker.end() for worker in self._workers]
        if not self._told or any(codes):
            raise Died(f"a worker ended with code {next(filter(None, codes), 0)}")

    async def _start(self, grace_s: int) -> None:
        for worker, listener in zip(self._workers, self._listeners, strict=True):
            await worker.start(listener, grace_s)
        for listener in self._listeners:
            listener.close()  # Held here too, it would go on taking connections for nobody.

        def listen() -> bool:
            return all(worker.listens for worker in self._workers)

        await self._until(lambda: listen() or not self._all_well(), START_S)
        if self._all_well() and not listen():
            raise Died(f"a worker did not listen within {START_S:g} s")
        if not all(worker.shares_clock for worker in self._workers):
            raise ClocksDiffer

    async def _finish(self, grace_s: int) -> None:
        for worker in self._workers:
            worker.tell_to_end()

        def over() -> bool:
            return self._told > 1 or all(worker.gone for worker in self._workers)

        await self._until(over, grace_s + LEFT_S)

    def _all_well(self) -> bool:
        return not self._told and not any(worker.gone for worker in self._workers)

    async def _until(self, happened: Callable[[], bool], patience_s: float | None = None) -> None:
        """Or until patience is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                while not happened():
                    self._changed.clear()
                    await self._changed.wait()

    @contextlib.contextmanager
    def _hearing_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for sig in ENDING:
            loop.add_signal_handler(sig, self._tell, sig)
        try:
            yield
        finally:
            for sig in ENDING:
                loop.remove_signal_handler(sig)

    def _tell(self, sig: signal.Signals) -> None:
        if not self._told or sig == signal.SIGINT:
            self._told += 1
        self._changed.set()


class Worker:
    """One worker process, as the books see it; whatever happens to it, `changed` is called."""

    def __init__(self, books: Books, changed: Callable[[], None]) -> None:
        self.listens = False
        self.shares_clock = True
        self.gone = False
        self._books = books
        self._changed = changed
        self._line: Line[FromWorker] = Line(FromWorker, self.hear, self._lost)
        self._process: subprocess.Popen[bytes] | None = None
        self._began = 0.0

    async def start(self, listener: socket.socket, grace_s: int) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            inherited = listener.fileno(), theirs.fileno()
            self._process = subprocess.Popen(
                # -P: a folder or file "mocks" where the user happens to stand is not ours.
                [sys.executable, "-P", "-m", "mocks.front", *map(str, inherited)],
                pass_fds=inherited,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the books, which then tell the workers.
            )
        self._began = time.perf_counter()
        loop = asyncio.get_running_loop()
        await loop.create_unix_connection(lambda: self._line, sock=ours)
        self._line.say(Begin(grace_s))

    def tell_to_end(self) -> None:
        self._line.say(End())

    def end(self) -> int:
        """End it, by force if it must be. The answer is its exit code, that of the signal that it
        died by negated, or 0 where the force was ours."""
        if self._process is None:
            return 0
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(LEFT_S if self.gone else 0.0)
        self._process.kill()
        self._process.wait()
        return 0

    def hear(self, message: FromWorker) -> None:
        if isinstance(message, Hello):
            self.shares_clock = self._began <= message.now <= time.perf_counter()
            self.listens = True
            self._changed()
        else:
            self._books.hear(self._line, message)

    def _lost(self) -> None:
        self.gone = True
        self._changed()
