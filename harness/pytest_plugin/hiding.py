"""What of a user's project hides a package of tollbench's by its name, found before it is
imported in its place."""

import sys
from importlib.util import find_spec
from pathlib import Path

import harness

__tracebackhide__ = True

PACKAGES = ("mocks", "scenarios")
"""Beside harness, which this session has imported already."""


def hidden_packages() -> list[str]:
    """A line for each that is hidden, with the mend."""
    ours = Path(harness.__file__).resolve().parents[1]
    found = ((name, _found(name)) for name in PACKAGES)
    return [
        f"{_seen(where)} hides tollbench's package {name!r}: rename it{_or_else(where)}"
        for name, where in found
        if where is not None and where.resolve() != ours / name
    ]


def _found(name: str) -> Path | None:
    """The folder, or the file, that it is imported from; None where nothing tells it."""
    module = sys.modules.get(name)
    if module is not None and module.__spec__ is None:
        origin, folders = getattr(module, "__file__", None), getattr(module, "__path__", ())
    else:
        spec = find_spec(name)
        if spec is None:
            return None
        origin, folders = spec.origin, spec.submodule_search_locations or ()
    where = next(iter(folders), origin)
    return None if where is None else Path(where)


def _or_else(where: Path) -> str:
    """Within a folder of tests: then pytest puts the folder above on the import path. What lies
    at the root of a project is there in too many ways."""
    inside = where.parent != Path.cwd() and where.is_relative_to(Path.cwd())
    return f", or make {_seen(where.parent)} a package by an __init__.py in it" if inside else ""


def _seen(path: Path) -> str:
    """From the working directory, if it lies in there."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
