"""A connection opened step by step, each step timed: its name, TCP, TLS; it sends no request.

Addresses are tried one after the other in the order in which the system tells them, as asyncio's
`create_connection` does. A host that is an address has no name to look up. What does not become a
connection is closed, also when the opening is cancelled.
"""

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from harness.transport import Dialed, Phase, PhaseName

Origin = tuple[str, str, int]
"""Scheme, host and port: what a connection leads to."""

Address = tuple[Any, ...]
"""Of a socket, as its family has it."""

Found = tuple[socket.AddressFamily, socket.SocketKind, int, str, Address]
"""One of the answers of getaddrinfo."""


class Steps:
    """The phases of one opening as they come; each begins where the one before it has ended."""

    def __init__(self, now: Callable[[], float], start: float) -> None:
        self.at = start
        """Up to when all of it is told."""
        self._now = now
        self._start = start
        self._phases: list[Phase] = []

    @contextmanager
    def phase(self, name: PhaseName) -> Iterator[None]:
        """What the body does; it is told too where the body is cut off or fails."""
        done = False
        try:
            yield
            done = True
        finally:
            since, self.at = self.at, self._now()
            self._phases.append(Phase(name, since, self.at, done))

    def wait_until(self, when: float) -> None:
        """What went before was the opening of somebody else, who tells it."""
        self.at = when

    @property
    def dialed(self) -> Dialed | None:
        """None where there was nothing to wait for."""
        if self.at == self._start and not self._phases:
            return None
        return Dialed(self.at, tuple(self._phases))


async def dial(
    origin: Origin, protocol: asyncio.Protocol, tls: ssl.SSLContext | None, steps: Steps
) -> None:
    """Connect the protocol to there; with `tls` the connection is encrypted.

    Raises OSError where there is none to be had; the last phase is then the one that failed.
    """
    _, host, port = origin
    loop = asyncio.get_running_loop()
    found = await _addresses(host, port, steps)
    with steps.phase("tcp"):
        sock = await _connected(found)
        if tls is None:
            await loop.create_connection(lambda: protocol, sock=sock)
            return
    with steps.phase("tls"):
        await loop.create_connection(lambda: protocol, sock=sock, ssl=tls, server_hostname=host)


async def _addresses(host: str, port: int, steps: Steps) -> Sequence[Found]:
    kind = socket.SOCK_STREAM
    try:
        try:
            # Asks nobody: it tells whether the host is an address already.
            return socket.getaddrinfo(host, port, type=kind, flags=socket.AI_NUMERICHOST)
        except socket.gaierror:
            with steps.phase("dns"):
                loop = asyncio.get_running_loop()
                return await loop.getaddrinfo(host, port, type=kind)
    except UnicodeError as error:  # as Python says before anybody is asked for the name
        raise OSError(f"{host!r} is no name of a host") from error


async def _connected(found: Sequence[Found]) -> socket.socket:
    """A socket that leads to the first of these that takes it."""
    errors: list[OSError] = []
    for family, kind, protocol, _, address in found:
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as error:  # The system has no such family.
            errors.append(error)
            continue
        try:
            sock.setblocking(False)
            await _connect(sock, address)
            return sock
        except OSError as error:
            sock.close()
            errors.append(error)
        except BaseException:
            sock.close()
            raise
    raise _as_one(errors)


async def _connect(sock: socket.socket, address: Address) -> None:
    """As a loop's own `sock_connect`; but uvloop's has an address looked up once more, in a thread
    that may be busy with somebody's name."""
    number = sock.connect_ex(address)
    if number == errno.EINPROGRESS:
        loop = asyncio.get_running_loop()
        connected = loop.create_future()
        loop.add_writer(sock, _over, connected)
        try:
            await connected
        finally:
            loop.remove_writer(sock)
        number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if number:
        raise OSError(number, f"Connect call failed {address}")


def _over(connected: asyncio.Future[None]) -> None:
    if not connected.done():
        connected.set_result(None)


def _as_one(errors: Sequence[OSError]) -> OSError:
    """Of several addresses that were tried, asyncio tells of all in one error; so does this."""
    if not errors:
        return OSError("the host's name has no address")
    told = [str(error) for error in errors]
    if len(set(told)) == 1:
        return errors[0]
    return OSError(f"Multiple exceptions: {', '.join(told)}")
