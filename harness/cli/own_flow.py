"""Functions of a user's own made into arms of a round: found, checked and wired to the mocks."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import cast

import httpx

from harness.cli.scenario_file import load_file
from harness.cli.wiring import Way
from harness.clock import Clock
from harness.flow.flow import Flow, World
from harness.flow.own import OwnTurn, converse_with
from harness.flow.own_function import OwnFlow, what_is_wrong
from harness.flow.rerouted import begin_round, rerouted
from harness.flow.routing import BadFlow, Routes
from harness.flow.strategy import Strategy
from harness.load.engine import Arm

__all__ = ["BadFlow", "OwnFlow", "OwnTurn", "find_function", "function_arm", "rerouted"]


def find_function(text: str) -> OwnFlow:
    """The async function that `path.py::name` means.

    Raises LookupError with one line that says what to give instead.
    """
    path, _, name = text.partition("::")
    if not name or not path.endswith(".py") or not Path(path).is_file():
        raise LookupError(f"{text!r} is no function of a .py file: name it as path.py::function")
    module = load_file(Path(path))
    function = getattr(module, name, None)
    if function is None:
        there = ", ".join(_functions_of(module)) or "none"
        raise LookupError(f"{path} has no {name!r}; its async functions are: {there}")
    if wrong := what_is_wrong(function):
        raise LookupError(f"{path}: {wrong}")
    return cast(OwnFlow, function)


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
) -> Arm:
    """One strategy's arm in one round: each turn calls the function. It is to be played within
    `rerouted()`. Raises BadFlow for what cannot be called so; a turn that does what cannot be
    played ends the round with BadFlow. `others` are servers of the user's own, by host."""
    world = World(clock, way.transport, seed, round_, True, think_scale, inbox=way.inbox)

    async def boot(flow: Flow) -> None:
        begin_round(seed, round_)

    return Arm(
        name, world, boot, converse_with(function, strategy, Routes(way.at, way.transport, others))
    )


def _functions_of(module: ModuleType) -> list[str]:
    return [
        name
        for name, thing in vars(module).items()
        if inspect.iscoroutinefunction(thing) and thing.__module__ == module.__name__
    ]
