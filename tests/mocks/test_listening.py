"""Sockets for several workers at one address: nobody else's, and each gets its connections."""

import errno
import select
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from harness.clock import RealClock, run
from mocks.books import ArrivalClock, Books
from mocks.fronts import Worker
from mocks.host import Host
from mocks.line import Hello
from mocks.listening import listening
from mocks.log import RequestLog
from tests.mocks.fast import fast_mocks

pytestmark = pytest.mark.socket


@contextmanager
def _at(port: int, number: int) -> Iterator[list[socket.socket]]:
    with ExitStack() as opened:
        yield [opened.enter_context(one) for one in listening("127.0.0.1", port, number)]


@pytest.mark.parametrize("number", [1, 3])
def test_all_listen_at_one_port_and_nobody_else_can(number: int) -> None:
    with _at(0, number) as listeners:
        assert len(listeners) == number
        (port,) = {listener.getsockname()[1] for listener in listeners}
        for more in (1, 3):
            with pytest.raises(OSError) as error, _at(port, more):
                pass
            assert error.value.errno == errno.EADDRINUSE
    with _at(port, number):
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere they are one socket")
def test_connections_are_spread_over_all() -> None:
    with _at(0, 3) as listeners, ExitStack() as opened:
        for _ in range(64):
            opened.enter_context(socket.create_connection(listeners[0].getsockname()))
        ready, _, _ = select.select(listeners, [], [], 0)
        assert len(ready) == 3


@pytest.mark.parametrize(("ahead_s", "shares"), [(0.0, True), (100.0, False), (-1e9, False)])
def test_a_worker_whose_clock_is_another_is_found_out(ahead_s: float, shares: bool) -> None:
    async def main() -> Worker:
        clock = ArrivalClock()
        worker = Worker(Books(Host(clock, fast_mocks()), clock, RequestLog()), lambda: None)
        worker.hear(Hello(RealClock().now() + ahead_s))
        return worker

    worker = run("real", main())
    assert (worker.listens, worker.shares_clock) == (True, shares)
