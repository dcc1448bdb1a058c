"""What is played as a turn: an async function of the user's own, checked and never called here."""

import inspect
from collections.abc import Awaitable, Callable
from functools import partial
from inspect import Parameter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.flow.own import OwnTurn

OwnFlow = Callable[["OwnTurn"], Awaitable[object]] | Callable[[], Awaitable[object]]
"""What is played: one turn. It may return an Outcome; whatever else it returns says nothing."""

_BY_PLACE = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


def name_of(function: object) -> str:
    """What it is called by: of a functools.partial the name of what that calls, of an object that
    is called as a function its class's."""
    function = called_by(function)
    name: str = getattr(function, "__name__", type(function).__name__)
    return name


def called_by(function: object) -> object:
    """What a functools.partial calls in the end; anything else is that itself."""
    while isinstance(function, partial):
        function = function.func
    return function


def what_is_wrong(function: object) -> str:
    """Why it cannot be played, with the mend; "" where it can."""
    name = name_of(function) if callable(function) else repr(function)
    if not callable(function) or inspect.isclass(function):
        return f"{name} is no function: give an async function of one turn, or of nothing"
    called = called_by(function)
    if not any(map(inspect.iscoroutinefunction, (called, type(called).__call__))):
        return f"{name} is no async function: begin it with `async def`"
    needed = _needed(function)
    if len(needed) > 1:
        return f"{name} takes {len(needed)} arguments: it may take one, the turn, or none"
    if needed and needed[0].kind not in _BY_PLACE:
        return f"{name} takes {needed[0].name!r} by name only: take the turn as `async def f(turn)`"
    return ""


def wants_turn(function: Callable[..., object]) -> bool:
    """Whether it is given the turn. An argument that has a value already is for something else."""
    any_number = Parameter.VAR_POSITIONAL
    given = inspect.signature(function).parameters.values()
    return bool(_needed(function)) or any(of.kind is any_number for of in given)


def _needed(function: Callable[..., object]) -> list[Parameter]:
    """The arguments that it cannot be called without."""
    variable = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    given = inspect.signature(function).parameters.values()
    return [of for of in given if of.default is of.empty and of.kind not in variable]
