"""The collector beside the master: is told all that engines tell, and stores the run; reads no row.

What it says of the run while it lasts goes to the board.
"""

from collections.abc import Callable, Sequence

import gevent
import msgspec
from gevent.event import AsyncResult

from harness.load.child import FrameChild
from harness.load.conductor.board import Board
from harness.load.pipe import Close, Closed, FromCollector, Look, Opened, ToCollector

OPEN_S, STORE_S = 60.0, 600.0
"""How long it may take to open a run, and to store one; a long run has millions of rows."""


class Collector:
    """A running collector, and the greenlet that hears it."""

    def __init__(
        self,
        command: Sequence[str],
        opening: bytes,
        board: Board,
        on_lost: Callable[[], None],
    ) -> None:
        """`on_lost` is called if it ends before it was told to."""
        self._board = board
        self._on_lost = on_lost
        self._opened: AsyncResult = AsyncResult()
        self._closed: Closed | None = None
        self._closing = False
        self._child = FrameChild(command, opening)
        self._hearing = gevent.spawn(self._hear)

    def opened(self) -> Opened | None:
        """Once the run has a folder; None when it gets none, and standard error says why."""
        with gevent.Timeout(OPEN_S, False):
            opened = self._opened.get()
            assert opened is None or isinstance(opened, Opened)
            return opened
        return None

    def tell(self, what: ToCollector) -> None:
        self._child.send(msgspec.msgpack.encode(what))

    def close(self, last: Close) -> Closed | None:
        """Let it store the run, and end. None when it could not, and the reason is on standard
        error."""
        self._closing = True
        self.tell(last)
        self._hearing.join(STORE_S)
        self._child.end()
        self._hearing.join()
        return self._closed

    def drop(self) -> None:
        """There is nothing to store."""
        self._closing = True
        self._child.end()
        self._hearing.join()

    def _hear(self) -> None:
        decode = msgspec.msgpack.Decoder(FromCollector).decode
        for frame in self._child.frames():
            match told := decode(frame):
                case Opened():
                    self._board.folder = told.folder
                    self._opened.set(told)
                case Look(snapshot):
                    self._board.snapshot = snapshot
                case Closed():
                    self._closed = told
                    self._board.stored = True
        self._opened.set(None)
        if not self._closing:
            self._on_lost()
