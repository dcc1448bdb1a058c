"""Whose doing it was that a user's function, or a call in it, failed; it handles nothing.

Clients wrap what happened in exceptions of their own: they are known by what they hold, a response
with its status or an error of httpx in their chain, never by whose they are.
"""

import inspect
import re
from collections.abc import Iterator
from traceback import walk_tb

import httpx

from harness.flow.routing import BadFlow, shown
from harness.providers.call import ProviderFault, Unreachable, cause, fault_of
from harness.transport import Measured, failed_by
from harness.virtual_loop import Deadlock

LIBRARIES = ("httpx", "httpx2")
"""httpx, and the fork of it that clients have begun to use; the classes of one are not the
other's, but their names are."""

_OF_THE_CLIENT = ("UnsupportedProtocol", "LocalProtocolError")
"""httpx's errors that no server has a part in."""


def fault_of_call(took: Measured) -> str:
    """The cause that a call counts as failed for, "" where it does not: refusals are answers."""
    if took.fault:
        return cause(Unreachable(took.fault, what=took.fault_kind))
    if took.status == 429 or took.status >= 500:
        return cause(fault_of(took.status))
    return ""


def mistake_in(error: BaseException) -> BadFlow | Deadlock | None:
    """What cannot be played at all, wherever in the exception it is."""
    for one in _all_of(error):
        if isinstance(one, BadFlow | Deadlock):
            return one
        if isinstance(one, RuntimeError) and (kept := _OF_ANOTHER_LOOP.search(str(one))):
            thing = f"an asyncio.{kept['thing']}" if kept["thing"] else "something of asyncio"
            return BadFlow(
                f"{thing} is kept from one round to the next, and each round has a loop of its "
                "own: make it in the function, or in what that makes"
            )
        if isinstance(one, RuntimeError) and _LOOP_IN_A_LOOP.search(str(one)):
            _close_unbegun(one)
            return BadFlow(
                "a function given to a thread runs an event loop of its own, in real time: "
                "await what it runs instead"
            )
    return None


_OF_ANOTHER_LOOP = re.compile(
    r"<(?:asyncio\.\w+\.)?(?P<thing>\w+) (?:object )?at .* is bound to a different event loop$"
    r"|attached to a different loop$|^Event loop is closed$",
    re.DOTALL,
)
"""What asyncio says of a lock or queue, of a task or future, and of a loop that is kept."""
_LOOP_IN_A_LOOP = re.compile(
    r"cannot be called from a running event loop|This event loop is already running"
    r"|Cannot run the event loop while another loop is running"
    r"|^Already running \w+ in this thread$"
)
"""What asyncio and anyio say of one: on the virtual clock a thread is none."""


def fault_in(error: BaseException) -> ProviderFault | None:
    """The provider's fault that the exception came of; None where there is none, so that it is a
    bug. Of a group each one has to come of a fault."""
    if isinstance(error, BaseExceptionGroup):
        faults = [fault_in(one) for one in error.exceptions]
        return faults[0] if all(faults) else None
    return next(filter(None, map(_told_by, _chain(error))), None)


def _close_unbegun(error: BaseException) -> None:
    """Coroutines that asyncio was to run, and did not: "never awaited" would be told of them
    whenever the exception is forgotten, as in a later test."""
    for frame, _ in walk_tb(error.__traceback__):
        if frame.f_globals.get("__name__", "").partition(".")[0] == "asyncio":
            for held in filter(inspect.iscoroutine, frame.f_locals.values()):
                if inspect.getcoroutinestate(held) == inspect.CORO_CREATED:
                    held.close()


def _told_by(error: BaseException) -> ProviderFault | None:
    if isinstance(error, ProviderFault):
        return error
    status = _status_of(error)
    name = type(error).__name__
    if status >= 400:
        return fault_of(status, f"{name} {status}")
    if _is_httpx(error) and name not in _OF_THE_CLIENT:
        assert isinstance(error, Exception)
        return Unreachable(f"{name}: {shown(str(error))}", what=_kind_of(error))
    if isinstance(error, TimeoutError):
        return Unreachable("the function's own patience ran out")
    return None


def _status_of(error: BaseException) -> int:
    """Of the answer that it holds; 0 for none. Stripe's tells it without the answer."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    status = getattr(error, "http_status", None) if status is None else status
    return status if isinstance(status, int) else 0


def _kind_of(error: Exception) -> str:
    return f"{type(error).__name__}: {failed_by(error, 0.0, 0.0).fault_kind}"


def _is_httpx(error: BaseException) -> bool:
    return any(
        of.__name__ == httpx.HTTPError.__name__ and of.__module__.partition(".")[0] in LIBRARIES
        for of in type(error).__mro__
    )


def _all_of(error: BaseException) -> Iterator[BaseException]:
    """It, what it came of, and all that is in groups among these."""
    for one in _chain(error):
        yield one
        if isinstance(one, BaseExceptionGroup):
            for inner in one.exceptions:
                yield from _all_of(inner)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """From the outermost to what it came of in the end."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        hidden = error.__cause__ is not None or error.__suppress_context__
        error = error.__cause__ if hidden else error.__context__
