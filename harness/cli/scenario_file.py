"""A scenario by its name, or from a .py file that worker processes can load too; it runs none."""

import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import TypeGuard

from harness.flow.agent import Scenario
from scenarios import SCENARIOS

_MODULE = "scenario_file_"
"""Begins the module name of a user's file, so that a json.py of theirs is not Python's own."""


def find_scenario(name: str) -> type[Scenario]:
    """The shipped scenario of that name, or the only one in that .py file.

    Raises LookupError with one line that says what to give instead.
    """
    if name in SCENARIOS:
        return SCENARIOS[name]
    path = Path(name)
    if path.suffix != ".py" or not path.is_file():
        known = ", ".join(SCENARIOS)
        raise LookupError(f"unknown scenario {name!r}: take {known}, or a path to a .py file")
    module = load_file(path)
    found = [
        thing
        for thing in vars(module).values()
        if _is_scenario(thing) and thing.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise LookupError(
            f"{path} defines {len(found)} scenarios: it needs one dataclass with turns, "
            "usual_method and async run(chat, agent)"
        )
    return found[0]


def source_of(scenario: Scenario) -> str | None:
    """The user's file that defines it; None for a shipped one."""
    name = type(scenario).__module__
    return sys.modules[name].__file__ if name.startswith(_MODULE) else None


def load_again(source: str | None) -> None:
    """Make a pickled scenario of that file readable here; a forked process has it already."""
    if source is not None and _module_name(Path(source)) not in sys.modules:
        load_file(Path(source))


def load_file(path: Path) -> ModuleType:
    name = _module_name(path)
    spec = importlib.util.spec_from_file_location(name, path.absolute())
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and pickle look a class's module up by name.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise LookupError(f"{path} cannot be loaded: {type(error).__name__}: {error}") from None
    return module


def _module_name(path: Path) -> str:
    return _MODULE + path.stem


def _is_scenario(thing: object) -> TypeGuard[type[Scenario]]:
    if not inspect.isclass(thing):
        return False
    fields = getattr(thing, "__dataclass_fields__", {})
    named = all(name in fields or hasattr(thing, name) for name in ("turns", "usual_method"))
    return bool(fields) and named and inspect.iscoroutinefunction(getattr(thing, "run", None))
