"""The mocks on a socket: `python -m mocks.server [PORT]`, on loopback, in a process of their own.

It reads one line of JSON (a MockConfig) from standard input, answers with one line, the port that
it listens on, and serves until standard input ends. So it cannot outlive whoever started it,
however that one dies. A line that is no MockConfig is told in one line, and ends it with code 2.
"""

import gc
import os
import socket
import sys
import threading

import msgspec
import uvicorn

from harness.clock import Clock, RealClock
from mocks.admin import Admin
from mocks.courier import Deliver
from mocks.door import asgi
from mocks.host import LOOPBACK, Mock, MockConfig
from mocks.keys import private_key
from mocks.listening import configured
from mocks.worlds import Worlds


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
    clock = RealClock()
    server = uvicorn.Server(configured(asgi(house(config, delivering(config), clock), clock)))
    threading.Thread(target=_end_with_input, daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    # A pause of the collector would look like latency; this process lives for one run only.
    gc.freeze()
    gc.disable()
    server.run(sockets=[listener])


def house(config: MockConfig, deliver: Deliver | None, clock: Clock, workers: int = 1) -> Mock:
    """All that one port serves, from so many processes."""
    return Admin(clock, Worlds(clock, config, deliver), config.seed, clock.now(), workers)


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


if __name__ == "__main__":
    main()
