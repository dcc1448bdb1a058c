"""A mock on a loopback socket, for clients that know nothing of it; it asserts nothing."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from harness.clock import RealClock
from mocks.door import asgi
from mocks.host import LOOPBACK, Mock
from mocks.listening import configured


@contextmanager
def serve(mock: Mock) -> Iterator[str]:
    """The base URL of the mock, which a thread of its own serves in real time meanwhile."""
    listener = socket.create_server((LOOPBACK, 0))
    server = uvicorn.Server(configured(asgi(mock, RealClock()), grace_s=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10.0)
        listener.close()
