"""The mocks on a socket: `python -m mocks.server [PORT]`, on loopback, in a process of their own.

It reads one line of JSON (a MockConfig) from standard input, answers with one line, the port that
it listens on, and serves until standard input ends. So it cannot outlive whoever started it,
however that one dies. A line that is no MockConfig is told in one line, and ends it with code 2.
"""

import contextlib
import gc
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

import msgspec
import uvicorn

from harness.clock import RealClock
from mocks.admin import Admin
from mocks.asgi import Application, asgi
from mocks.courier import Deliver
from mocks.host import LOOPBACK, Mock, MockConfig
from mocks.keys import private_key
from mocks.worlds import Worlds

KEEP_ALIVE_S = 120
"""Longer than clients keep an idle connection, so that none is closed under a request."""

_ENDING = (signal.SIGINT, signal.SIGTERM)


def main() -> None:
    try:
        config = msgspec.json.decode(sys.stdin.buffer.readline(), type=MockConfig)
    except msgspec.DecodeError as error:
        print(f"mocks.server: no configuration on standard input: {error}", file=sys.stderr)
        sys.exit(2)
    try:
        listener = socket.create_server((LOOPBACK, int(*sys.argv[1:2])), backlog=4096)
    except OSError as error:
        print(f"mocks.server: port {sys.argv[1]}: {os.strerror(error.errno or 0)}", file=sys.stderr)
        sys.exit(2)
    private_key(0)
    server = uvicorn.Server(configured(asgi(house(config, delivering(config)))))
    threading.Thread(target=_end_with_input, daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    # A pause of the collector would look like latency; this process lives for one run only.
    gc.freeze()
    gc.disable()
    server.run(sockets=[listener])


def house(config: MockConfig, deliver: Deliver | None) -> Mock:
    """All that one socket serves, in real time."""
    clock = RealClock()
    return Admin(clock, Worlds(clock, config, deliver), config.seed, clock.now())


def delivering(config: MockConfig) -> Deliver | None:
    """The way to an app on this machine, where a provider has something to tell it."""
    if not any(profile.webhook for profile in config.pay.values()):
        return None
    from mocks.deliver import HttpDeliver  # Loading aiohttp takes as long as all else.

    return HttpDeliver()


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    # At once: there is nothing to save, and whoever waits for an answer is gone.
    os._exit(0)


def configured(application: Application, grace_s: int | None = None) -> uvicorn.Config:
    """`grace_s` is how long calls under way may take when the server is told to end."""
    return uvicorn.Config(
        application,
        http="httptools",
        ws="none",
        lifespan="off",
        log_level="error",
        access_log=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=grace_s,
    )


class Foreground(uvicorn.Server):
    """Told to end, by Ctrl-C or SIGTERM, it takes no more calls, finishes those under way, and
    returns; uvicorn's own would raise the signal again. A second Ctrl-C ends it at once."""

    def __init__(self, application: Application, grace_s: int, ready: Callable[[], None]) -> None:
        super().__init__(configured(application, grace_s))
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {sig: signal.signal(sig, self.handle_exit) for sig in _ENDING}
        try:
            yield
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Whoever is cut off when the grace is over is no error of ours.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        super().handle_exit(sig, frame)


if __name__ == "__main__":
    main()
