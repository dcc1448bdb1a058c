"""What a turn must not do, as no mock could answer it or as it waits in real time, told with its
mend.

On either clock: synchronous clients of httpx; clients of aiohttp; a connection to another host that
is opened through the loop or by Python's own sockets. On the virtual clock also `time.sleep`, and
whatever else opens a connection or wakes the loop from a thread, which is a Deadlock. Not seen on
the real clock are connections by code that is no Python (grpc), by threads that a library begins by
itself, and by a bare socket to the number of an address. Nothing here ever reaches a mock.
"""

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from ipaddress import ip_address
from typing import Any

import httpx

from harness.flow.own import OwnTurn, current_turn, served

Function = Callable[..., Any]
"""Of whatever library: its arguments are handed on as they come."""

_SYNCHRONOUS = (
    "a synchronous client of httpx waits in real time, and every other turn with it: "
    "take httpx.AsyncClient, or the SDK's async client"
)
_AIOHTTP = (
    "a call goes over aiohttp, which cannot be rerouted: have the client use httpx "
    "(google-genai does with http_options httpx_async_client=httpx.AsyncClient()), or, in a "
    "comparison on the real clock, the base URL of turn.endpoint(...)"
)
_BLOCKING = (
    "a client that is not asynchronous asks a mock in the event loop, so that every other turn "
    "waits with it: give the call to asyncio.to_thread"
)


def synchronous_call(before: Function) -> Function:
    def handle_request(*args: Any, **named: object) -> Any:
        turn = current_turn()
        if turn is not None and (_in_a_loop() or not _is_at_door(turn, args[1].url)):
            raise turn.mistaken(_SYNCHRONOUS)
        return before(*args, **named)

    return handle_request


def call_of_aiohttp(before: Function) -> Function:
    """Where one is behind a server of the user's own, the call to that alone is let out, and else
    one that comes in again at the door."""

    def request(session: object, method: str, url: object, **named: object) -> Any:
        turn = current_turn()
        if turn is not None and not (
            _is_served(httpx.URL(str(url)).host) or _is_at_door(turn, url)
        ):
            raise turn.mistaken(_AIOHTTP)
        return before(session, method, url, **named)

    return request


def connection(before: Function) -> Function:
    """Of whatever is told the host first."""

    def connect(host: object = None, *args: object, **named: object) -> Any:
        _refuse_stranger(host)
        return before(host, *args, **named)

    return connect


def connection_in_python(before: Function) -> Function:
    """As `connection`, where a client that would wait in the loop for a server in it would do so
    for ever."""
    refusing = connection(before)

    def getaddrinfo(
        host: object = None, port: object = None, *args: object, **named: object
    ) -> Any:
        turn = current_turn()
        if turn is not None and turn.door and turn.door.holds(host, port) and _in_a_loop():
            raise turn.mistaken(_BLOCKING)
        return refusing(host, port, *args, **named)

    return getaddrinfo


def connection_of_loop(before: Function) -> Function:
    def create_connection(
        protocol: object, host: object = None, *args: object, **named: object
    ) -> Any:
        _refuse_stranger(host)
        return before(protocol, host, *args, **named)

    return create_connection


def connection_of_socket(before: Function) -> Function:
    def sock_connect(sock: object, address: object) -> Any:
        if isinstance(address, tuple):  # else it is a path of this machine
            _refuse_stranger(address[0])
        return before(sock, address)

    return sock_connect


OF_THE_LOOP = {
    "getaddrinfo": connection,
    "create_connection": connection_of_loop,
    "sock_connect": connection_of_socket,
}
"""By the name of the method that it stands in for: uvloop's, which asks Python for no address, has
the same ones."""


def sleep(before: Function) -> Function:
    def sleep(seconds: float) -> None:
        turn = current_turn()
        if turn is not None and turn.virtual:
            raise turn.mistaken("time.sleep takes no virtual time: await asyncio.sleep instead")
        before(seconds)

    return sleep


def thread_of_anyio(before: Function) -> Function:
    """On the virtual clock it is none, as with `asyncio.to_thread`: Starlette and FastAPI give to
    threads each endpoint that is no async function."""

    async def run_sync(function: Function, *args: object, **how: object) -> Any:
        turn = current_turn()
        if turn is None or not turn.virtual:
            return await before(function, *args, **how)
        await asyncio.sleep(0)  # Here too others have their turn first.
        return copy_context().run(function, *args)

    return run_sync


def contexts_read_anew(before: Function) -> Function:
    """Each new client reads all certificates that the machine trusts, which takes 20 ms of real
    time. A client on the virtual clock never uses them, so they are read once."""
    kept: dict[object, Any] = {}

    def create_default_context(*args: object, **named: object) -> Any:
        turn = current_turn()
        if turn is None or not turn.virtual:
            return before(*args, **named)
        asked = args, tuple(sorted(named.items()))
        if asked not in kept:
            kept[asked] = before(*args, **named)
        return kept[asked]

    return create_default_context


def _refuse_stranger(host: object) -> None:
    turn = current_turn()
    if turn is None or not host:
        return
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    if not _is_here(name) and not _is_served(name):
        raise _stranger(turn, name)


def _stranger(turn: OwnTurn, host: str) -> Exception:
    return turn.mistaken(
        f"something in the turn opens a connection to {host!r} by itself: "
        "only calls of httpx.AsyncClient reach the mocks; in a comparison on the real clock others "
        "do by the base URL of turn.endpoint(...)"
    )


def _in_a_loop() -> bool:
    return asyncio._get_running_loop() is not None


def _is_at_door(turn: OwnTurn, url: object) -> bool:
    return turn.door is not None and turn.door.is_at(httpx.URL(str(url)))


def _is_here(host: str) -> bool:
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def _is_served(host: str) -> bool:
    """Whether a server of the user's own is asked there, by its name or by an address, which its
    transport has from that."""
    of = served()
    return of is not None and (host == of.url.host or _address(host) is not None)


def _address(host: str) -> Any:
    try:
        return ip_address(host)
    except ValueError:
        return None
