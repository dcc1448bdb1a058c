"""A bug in a user's flow, freed from the loop that it was played on; it mends none."""

from collections.abc import Callable
from types import TracebackType
from typing import TypeVar

T = TypeVar("T")

__tracebackhide__ = True  # pytest shows the user's own lines

_OURS = ("harness", "asyncio")


def bare(play: Callable[[], T]) -> T:
    """What it returns. Whatever it raises is raised again bare: without the groups that tasks wrap
    it in, and with a traceback that begins in the user's code."""
    try:
        return play()
    except BaseException as error:
        bug = innermost(error)
    raise bug.with_traceback(_of_the_user(bug.__traceback__))


def innermost(error: BaseException) -> BaseException:
    """The first of those that it groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _of_the_user(whole: TracebackType | None) -> TracebackType | None:
    """The whole of it, where the user's code is nowhere in it."""
    part = whole
    while part is not None:
        if part.tb_frame.f_globals.get("__name__", "").partition(".")[0] not in _OURS:
            return part
        part = part.tb_next
    return whole
