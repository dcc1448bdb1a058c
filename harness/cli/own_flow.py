"""Functions of a user's own made into arms of a round: found, checked and wired to the mocks."""

import importlib
import inspect
import math
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import cast

import httpx

from harness.cli.scenario_file import load_file
from harness.cli.wiring import Way
from harness.clock import Clock
from harness.flow.flow import PATIENCE_S, Flow, World
from harness.flow.own import OwnTurn, TraceOf, converse_with
from harness.flow.own_door import Door
from harness.flow.own_function import OwnFlow, what_is_wrong
from harness.flow.rerouted import begin_round, rerouted
from harness.flow.routing import BadFlow, Routes
from harness.flow.strategy import Strategy
from harness.load.books import BOOKS_ALONE
from harness.load.engine import Arm
from mocks.host import MockConfig

__all__ = [
    "BadFlow",
    "OwnFlow",
    "OwnTurn",
    "find_function",
    "function_arm",
    "load_function",
    "longest_s",
    "names_function",
    "rerouted",
]


def names_function(text: str) -> bool:
    """Whether it is written as a function's name, `path.py::name` or `package.module:name`, and not
    as a scenario's."""
    return "::" in text or _IN_MODULE.fullmatch(text) is not None


def load_function(text: str) -> object:
    """What `path.py::name` or `package.module:name` means, function or not; a module is looked for
    from the current folder on, as pytest and uvicorn do.

    Raises LookupError with one line that says what to give instead.
    """
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    if "::" in text:
        return _in_file(text)
    named = _IN_MODULE.fullmatch(text)
    if named is None:
        raise LookupError(f"{text!r} is no function: name it as module:function")
    return _in_module(named["module"], named["name"])


def find_function(text: str) -> OwnFlow:
    """The async function that `path.py::name` means.

    Raises LookupError with one line that says what to give instead.
    """
    function = _in_file(text)
    if wrong := what_is_wrong(function):
        raise LookupError(f"{text.partition('::')[0]}: {wrong}")
    return cast(OwnFlow, function)


def _in_file(text: str) -> object:
    path, _, name = text.partition("::")
    if not name or not path.endswith(".py") or not Path(path).is_file():
        raise LookupError(f"{text!r} is no function of a .py file: name it as path.py::function")
    return _found(load_file(Path(path)), path, name)


def _in_module(module: str, name: str) -> object:
    try:
        loaded = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise LookupError(f"{module} cannot be loaded: {error}") from None
        where = f"in {os.getcwd()} or among what is installed"
        raise LookupError(f"there is no module {error.name!r} {where}") from None
    except (Exception, SystemExit) as error:
        raise LookupError(f"{module} cannot be loaded: {type(error).__name__}: {error}") from None
    return _found(loaded, module, name)


def _found(module: ModuleType, where: str, name: str) -> object:
    thing: object = module
    for part in name.split("."):
        thing = getattr(thing, part, None)
    if thing is None:
        there = ", ".join(_functions_of(module)) or "none"
        raise LookupError(f"{where} has no {name!r}; its async functions are: {there}")
    return thing


def function_arm(
    name: str,
    function: OwnFlow,
    strategy: Strategy,
    way: Way,
    *,
    seed: int,
    round_: int,
    clock: Clock,
    think_scale: float = 1.0,
    others: Mapping[str, httpx.AsyncBaseTransport] = {},
    door: Door | None = None,
    trace_of: TraceOf = lambda flow: "",
    patience_s: float = math.inf,
) -> Arm:
    """One strategy's arm in one round: each turn calls the function. It is to be played within
    `rerouted()`. Raises BadFlow for what cannot be called so; a turn that does what cannot be
    played ends the round with BadFlow. `others` are servers of the user's own, by host. What the
    function believes of its payments nobody knows, and it may pay as often as it likes: the books
    are held to what they tell by themselves. `patience_s` is that of clients which have none of
    their own."""
    world = World(
        clock,
        way.transport,
        seed,
        round_,
        True,
        think_scale,
        inbox=way.inbox,
        patience_s=patience_s,
    )

    async def boot(flow: Flow) -> None:
        begin_round(seed, round_)

    routes = Routes(way.at, way.transport, others)
    converse = converse_with(function, strategy, routes, door, trace_of)
    return Arm(name, world, boot, converse, books=way.books, rules=BOOKS_ALONE, cut=way.cut)


def longest_s(mocks: MockConfig) -> float:
    """How long a client waits that has no patience of its own: not without end, where an answer may
    never come. Elsewhere all come, and nothing is cut short."""
    return PATIENCE_S if mocks.struck_by() else math.inf


_WORD = r"[^\W\d]\w*"
_IN_MODULE = re.compile(
    rf"(?P<module>{_WORD}(?:\.{_WORD})*):(?P<name>{_WORD}(?:\.{_WORD})*)",
)


def _functions_of(module: ModuleType) -> list[str]:
    return [
        name
        for name, thing in vars(module).items()
        if inspect.iscoroutinefunction(thing) and thing.__module__ == module.__name__
    ]
