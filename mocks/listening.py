"""What takes connections: uvicorn, as every process of ours that serves mocks has it set up.

It knows no mock, and whoever runs it gives it the sockets.
"""

import contextlib
import gc
import logging
import signal
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from types import FrameType

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mocks.asgi import CONNECTION, Application

KEEP_ALIVE_S = 120
"""Longer than clients keep an idle connection, so that none is closed under a request."""

BACKLOG = 4096
"""Connections that may wait to be taken."""

NO_LINGER = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
"""Closing is then a reset."""

ENDING = (signal.SIGINT, signal.SIGTERM)


def listening(host: str, port: int, number: int = 1) -> list[socket.socket]:
    """So many sockets that listen at one address; port 0 is any free one. Where the system cannot
    spread connections over them, it is one socket so many times. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if number == 1 or sys.platform != "linux":
        return [socket.create_server((host, port), family=family, backlog=BACKLOG)] * number
    with contextlib.ExitStack() as opened:
        first, *others = (opened.enter_context(_unbound(family)) for _ in range(number))
        # Bound before it allows others beside it: so nobody else can be listening there already.
        first.bind((host, port))
        _allow_others(first)
        for other in others:
            _allow_others(other)
            other.bind(first.getsockname())
        for listener in (first, *others):
            listener.listen(BACKLOG)
        opened.pop_all()
        return [first, *others]


def configured(application: Application, grace_s: int | None = None) -> uvicorn.Config:
    """`grace_s` is how long calls under way may take when the server is told to end."""
    return uvicorn.Config(
        application,
        http=Breakable,
        ws="none",
        lifespan="off",
        log_level="error",
        access_log=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=grace_s,
    )


class Breakable(HttpToolsProtocol):
    """uvicorn's own, but a call can break its connection off: in its `state` it finds this, a
    mocks.asgi.Connection."""

    _silent = _ending = False

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"][CONNECTION] = self

    def reset(self) -> None:
        if self.transport.is_closing():
            return  # The client has gone first.
        taken: socket.socket = self.transport.get_extra_info("socket")
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        self.transport.close()

    def fall_silent(self) -> None:
        self._silent = True
        self._let_go()

    def shutdown(self) -> None:
        super().shutdown()
        self._ending = True
        self._let_go()

    def _let_go(self) -> None:
        if self._silent and self._ending:
            self.transport.abort()


class Listening(uvicorn.Server):
    """Told to end, it takes no more calls, finishes those under way, and returns. It hears no
    signals; uvicorn's own would raise them again."""

    def __init__(self, application: Application, grace_s: int, ready: Callable[[], None]) -> None:
        super().__init__(configured(application, grace_s))
        self._ready = ready

    def end(self) -> None:
        # Whoever is cut off when the grace is over is no error of ours.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Foreground(Listening):
    """Ctrl-C or SIGTERM tells it to end; a second Ctrl-C ends it at once."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {sig: signal.signal(sig, self.handle_exit) for sig in ENDING}
        try:
            yield
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.force_exit = self.force_exit or (self.should_exit and sig == signal.SIGINT)
        self.end()


def _unbound(family: socket.AddressFamily) -> socket.socket:
    """As socket.create_server makes one."""
    made = socket.socket(family)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return made


def _allow_others(listener: socket.socket) -> None:
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)


def spare_pauses() -> None:
    """What is there now is never looked at by the garbage collector again, and what grows old is
    not either: a look at all books takes tens of milliseconds, in which nobody is answered. Calls
    leave no garbage behind that only it would find; what connections leave it finds while young."""
    gc.freeze()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, NEVER)


NEVER = 1_000_000
"""Collections of the younger ones before one of the oldest: days of full load."""
