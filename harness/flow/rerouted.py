"""Clients of httpx, wherever they are built, made to reach the servers of the turn they run in.

What else a turn does that no mock can answer is refused.py's. Code outside a turn meets nothing of
either.
"""

import asyncio
import importlib
import importlib.util
import random
import socket
import ssl
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache, wraps
from types import BuiltinFunctionType
from typing import Any, cast

import httpx

from harness.flow import refused
from harness.flow.own import OwnTurn, current_turn, served
from harness.flow.own_faults import LIBRARIES
from harness.flow.own_time import clocks_of_turns
from harness.flow.refused import Function
from harness.flow.routing import Client

_lasting = 0


@contextmanager
def rerouted() -> Iterator[None]:
    """While it lasts, what a httpx.AsyncClient asks for within a turn goes where the turn says,
    also in a client that an SDK or a task of the turn has built. One a process at a time, but they
    may be nested."""
    global _lasting
    luck = random.getstate()
    with ExitStack() as patched:
        for library in _installed(*LIBRARIES):
            _patch(patched, library.AsyncHTTPTransport, "handle_async_request", _sending(library))
            _patch(patched, library.HTTPTransport, "handle_request", refused.synchronous_call)
        for library in _installed("aiohttp"):
            _patch(patched, library.ClientSession, "_request", refused.call_of_aiohttp)
        for library in _installed("anyio.to_thread"):
            _patch(patched, library, "run_sync", refused.thread_of_anyio)
        _patch(patched, socket, "getaddrinfo", refused.connection_in_python)
        _patch(patched, time, "sleep", refused.sleep)
        for name, made in clocks_of_turns().items():
            # What somebody has put there himself, as freezegun does, stays.
            if isinstance(getattr(time, name), BuiltinFunctionType):
                _patch(patched, time, name, made)
        _patch(patched, ssl, "create_default_context", refused.contexts_read_anew)
        _lasting += 1
        try:
            yield
        finally:
            _lasting -= 1
            random.setstate(luck)


def begin_round(seed: int, round_: int) -> None:
    """To be called in the loop that the round's turns will run in, before the first of them."""
    if not _lasting:
        raise RuntimeError("a function of a user's own is played within rerouted() only")
    random.seed(f"{seed}.{round_}")  # Clients draw from it how long they wait before a retry.
    loop = asyncio.get_running_loop()
    if loop.get_task_factory() is None:
        loop.set_task_factory(_kept_task)
        for name, refusing in refused.OF_THE_LOOP.items():
            setattr(loop, name, refusing(getattr(loop, name)))  # They end with the loop.


def _kept_task(loop: asyncio.AbstractEventLoop, coro: Any, **how: Any) -> asyncio.Task[Any]:
    task = asyncio.Task(coro, loop=loop, **how)
    turn = current_turn()
    if turn is not None:
        turn.keep(task)
    return task


def _patch(stack: ExitStack, owner: Any, name: str, made: Callable[[Function], Function]) -> None:
    before: Function = getattr(owner, name)
    setattr(owner, name, wraps(before)(made(before)))
    stack.callback(setattr, owner, name, before)


def _installed(*names: str) -> list[Any]:
    return [
        importlib.import_module(name)
        for name in names
        if name in sys.modules or importlib.util.find_spec(name.partition(".")[0]) is not None
    ]


# Calls


def _sending(library: Any) -> Callable[[Function], Function]:
    def made(before: Function) -> Function:
        async def handle_async_request(transport: object, request: Any) -> Any:
            turn = current_turn()
            if turn is None or turn.routes.is_other(transport) or _is_served(request):
                return await before(transport, request)
            return await _sent(library, turn, request)

        return handle_async_request

    return made


def _is_served(request: Any) -> bool:
    """Whether a transport of the user's own hands on to this one what it is asked itself."""
    of = served()
    return of is not None and (of.method, str(of.url)) == (request.method, str(request.url))


async def _sent(library: Any, turn: OwnTurn, request: Any) -> Any:
    """The library's own response to its own request."""
    client = Client(request.headers.raw, await request.aread())
    timeouts = cast(Mapping[str, float | None], request.extensions.get("timeout", {}))
    with _named_as_in(library):
        response, is_read = await turn.send(request.method, str(request.url), client, timeouts)
    body = _body_of(library)(library, cast(httpx.AsyncByteStream, response.stream), is_read)
    return library.Response(response.status_code, headers=response.headers.raw, stream=body)


@cache
def _body_of(library: Any) -> Any:
    """A class of bodies as that library knows them."""

    class Body(library.AsyncByteStream):  # type: ignore[misc]  # whose base is known by name only
        def __init__(
            self, library: Any, stream: httpx.AsyncByteStream, is_read: Callable[[], None]
        ) -> None:
            self._library, self._stream, self._is_read = library, stream, is_read

        async def __aiter__(self) -> AsyncIterator[bytes]:
            try:
                with _named_as_in(self._library):
                    async for chunk in self._stream:
                        yield chunk
            finally:
                self._is_read()

        async def aclose(self) -> None:
            try:
                await self._stream.aclose()
            finally:
                self._is_read()

    return Body


@contextmanager
def _named_as_in(library: Any) -> Iterator[None]:
    """An error of httpx is raised as the one of the same name."""
    try:
        yield
    except httpx.TransportError as error:
        if library is httpx:
            raise
        raise getattr(library, type(error).__name__)(str(error)) from error
