"""Which room may import which: the floors of the house, read from the source and never run."""

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("harness", "mocks", "scenarios")
PATHS = sorted(path for room in OURS for path in (ROOT / room).rglob("*.py"))

# From the ground up. What stands higher may import what stands lower, never the other way round;
# on one floor the rooms stand side by side, and what may look over is named below.
FLOORS = (
    ("harness.alarm", "harness.virtual_loop", "harness.outcome", "harness.reconciled"),
    ("harness.providers", "harness.record", "harness.clock", "harness.draws"),
    ("harness.answer", "harness.transport", "harness.laws", "harness.faults", "harness.books"),
    ("harness.in_process", "harness.http1", "harness.reconcile"),
    ("harness.flow", "harness.real"),
    ("harness.load", "harness.stats", "harness.torture"),
    ("harness.report", "harness.calibrate", "scenarios"),
    ("harness.cli",),
    ("harness.pytest_plugin",),
)
SIDEWAYS = {
    ("harness.load", "harness.stats"),
}
MAY_WIRE = "harness.cli"
"""The one room of the harness that knows of mocks and scenarios."""

ONLY_IN = {
    "locust": ("harness/load/conductor/", "scenarios/locustfile.py"),
    "gevent": ("harness/load/conductor/", "scenarios/locustfile.py"),
    "matplotlib": ("harness/report/charts/",),
    "starlette": ("scenarios/agent_app.py",),
    "jinja2": ("harness/report/page/",),
    "pyarrow": ("harness/record/files.py",),
    "scipy": ("harness/stats/distributions.py",),
}
PURE = (
    "harness/providers/",
    "harness/stats/",
    "harness/load/arrivals.py",
    "harness/load/steered.py",
    "harness/load/plan.py",
    "harness/real/rules/",
    "harness/real/usage.py",
    "harness/real/redact.py",
)
IMPURE_MODULES = {"time", "random", "socket", "asyncio", "secrets"}
SEEDED = "default_rng|Generator|SeedSequence|PCG64"
IMPURE_CODE = re.compile(
    r"\bdate(time)?\.(now|utcnow|today)$"  # asks for the time
    rf"|\brandom\.(?!({SEEDED})\b)\w+$"  # draws from numpy's state that all callers share
    r"|\bdefault_rng\(\)$"  # draws from a seed that nobody knows
)


class Source:
    """One file of ours, parsed: its dotted name, and what it imports."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.tree = ast.parse(text, path)
        self.name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        self.imports = sorted(set(self._imports()))

    @property
    def room(self) -> str:
        return _room(self.name)

    def ours(self) -> list[str]:
        return [name for name in self.imports if name.split(".")[0] in OURS]

    def _imports(self) -> Iterator[str]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                # Each name may be a module: "from harness import draws" imports harness.draws.
                module = self._absolute(node)
                yield from (f"{module}.{alias.name}" for alias in node.names)

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        package = self.name.split(".") if self.path.endswith("__init__.py") else []
        package = package or self.name.split(".")[:-1]
        kept = package[: len(package) - node.level + 1]
        return ".".join([*kept, *([node.module] if node.module else [])])


def _room(name: str) -> str:
    """The first two parts of a name in the harness, else the first."""
    parts = name.split(".")
    return ".".join(parts[: 2 if parts[0] == "harness" else 1])


def _floor(room: str) -> int | None:
    return next((n for n, rooms in enumerate(FLOORS) if room in rooms), None)


# The rules: each yields a sentence for every breach in one file


def arrows_go_down(source: Source) -> Iterator[str]:
    """From cli down to providers, record, clock and draws: the table of floors says it."""
    here = _floor(source.room)
    if here is None:
        if source.room not in ("harness", "mocks"):
            yield f"{source.room} stands on no floor: give it one"
        return
    for name in source.ours():
        there, room = _floor(_room(name)), _room(name)
        if room == source.room or (source.room, room) in SIDEWAYS or there is None:
            continue
        if there >= here:
            yield f"{source.name} imports {name}"


def the_harness_knows_no_mock_and_no_scenario(source: Source) -> Iterator[str]:
    if source.name.startswith("harness") and source.room != MAY_WIRE:
        for name in source.ours():
            if not name.startswith("harness"):
                yield f"{source.name} imports {name}"


def scenarios_see_only_the_flow(source: Source) -> Iterator[str]:
    # The locustfile is Locust's door to the engine, no scenario.
    if source.name.startswith("scenarios") and not source.path.endswith("/locustfile.py"):
        allowed = ("harness.flow", "harness.draws", "harness.providers", "scenarios")
        yield from _ours_but(source, allowed)


def mocks_see_only_wires_answers_draws_and_the_clock(source: Source) -> Iterator[str]:
    if source.name.startswith("mocks"):
        lower = ("harness.providers", "harness.answer", "harness.draws", "harness.laws")
        money = ("harness.faults", "harness.books")
        yield from _ours_but(source, (*lower, *money, "harness.clock", "mocks"))


def providers_see_nothing_else_of_ours(source: Source) -> Iterator[str]:
    if source.room == "harness.providers":
        yield from _ours_but(source, ("harness.providers",))


def some_libraries_have_one_place(source: Source) -> Iterator[str]:
    for name in source.imports:
        places = ONLY_IN.get(name.split(".")[0])
        if places is not None and not source.path.startswith(places):
            yield f"{source.name} imports {name}"


def pure_rooms_touch_no_clock_socket_or_luck(source: Source) -> Iterator[str]:
    if not source.path.startswith(PURE):
        return
    for name in source.imports:
        if name.split(".")[0] in IMPURE_MODULES:
            yield f"{source.name} imports {name}"
    for node in ast.walk(source.tree):
        text = ast.unparse(node) if isinstance(node, ast.Attribute | ast.Call) else ""
        if IMPURE_CODE.search(text):
            yield f"{source.name} has {text}"


def _ours_but(source: Source, allowed: tuple[str, ...]) -> Iterator[str]:
    for name in source.ours():
        if not any(name == room or name.startswith(f"{room}.") for room in allowed):
            yield f"{source.name} imports {name}"


Rule = Callable[[Source], Iterator[str]]
RULES: list[Rule] = [
    arrows_go_down,
    the_harness_knows_no_mock_and_no_scenario,
    scenarios_see_only_the_flow,
    mocks_see_only_wires_answers_draws_and_the_clock,
    providers_see_nothing_else_of_ours,
    some_libraries_have_one_place,
    pure_rooms_touch_no_clock_socket_or_luck,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps_its_rule(rule: Rule) -> None:
    assert len(_sources()) > 30  # or nothing was read
    assert [breach for source in _sources() for breach in rule(source)] == []


@cache
def _sources() -> list[Source]:
    return [Source(path.relative_to(ROOT).as_posix(), path.read_text()) for path in PATHS]


BAD = [
    (arrows_go_down, "harness/flow/x.py", "from harness.load.engine import Tally"),
    (arrows_go_down, "harness/stats/x.py", "from harness.load import arrivals"),
    (arrows_go_down, "harness/stats/x.py", "def f():\n    import harness.report.words"),
    (arrows_go_down, "harness/record/x.py", "from harness.flow.flow import Flow"),
    (arrows_go_down, "harness/draws.py", "from harness import clock"),
    (arrows_go_down, "harness/flow/payers/x.py", "from ...load import engine"),
    (arrows_go_down, "harness/report/x.py", "import scenarios.conversation"),
    (arrows_go_down, "harness/report/x.py", "from harness.cli.app import main"),
    (arrows_go_down, "harness/cellar/x.py", "import json"),
    (the_harness_knows_no_mock_and_no_scenario, "harness/load/x.py", "from mocks.host import Host"),
    (the_harness_knows_no_mock_and_no_scenario, "harness/report/x.py", "import scenarios"),
    (the_harness_knows_no_mock_and_no_scenario, "harness/x.py", "from mocks import host"),
    (scenarios_see_only_the_flow, "scenarios/x.py", "from harness.load.engine import Arm"),
    (scenarios_see_only_the_flow, "scenarios/x.py", "from harness import transport"),
    (scenarios_see_only_the_flow, "scenarios/x.py", "from mocks.ledger import BLOCKED_PAYEE"),
    (
        mocks_see_only_wires_answers_draws_and_the_clock,
        "mocks/x.py",
        "from harness.flow import flow",
    ),
    (
        mocks_see_only_wires_answers_draws_and_the_clock,
        "mocks/x.py",
        "from harness.record import Outcome",
    ),
    (providers_see_nothing_else_of_ours, "harness/providers/x.py", "from harness import draws"),
    (providers_see_nothing_else_of_ours, "harness/providers/x.py", "from ..clock import run"),
    (some_libraries_have_one_place, "harness/load/engine.py", "import gevent.monkey"),
    (some_libraries_have_one_place, "harness/cli/x.py", "from locust import HttpUser"),
    (some_libraries_have_one_place, "harness/report/x.py", "import matplotlib.pyplot as plt"),
    (some_libraries_have_one_place, "mocks/x.py", "from starlette.routing import Route"),
    (some_libraries_have_one_place, "harness/stats/effects.py", "from scipy import special"),
    (pure_rooms_touch_no_clock_socket_or_luck, "harness/stats/x.py", "from time import time"),
    (pure_rooms_touch_no_clock_socket_or_luck, "harness/providers/x.py", "import secrets, json"),
    (pure_rooms_touch_no_clock_socket_or_luck, "harness/load/arrivals.py", "import asyncio"),
    (pure_rooms_touch_no_clock_socket_or_luck, "harness/stats/x.py", "a = datetime.now()"),
    (pure_rooms_touch_no_clock_socket_or_luck, "harness/stats/x.py", "a = datetime.date.today()"),
    (pure_rooms_touch_no_clock_socket_or_luck, "harness/stats/x.py", "a = np.random.default_rng()"),
    (pure_rooms_touch_no_clock_socket_or_luck, "harness/stats/x.py", "a = np.random.normal(3)"),
]


@pytest.mark.parametrize(("rule", "path", "text"), BAD, ids=[f"{p}: {t}" for _, p, t in BAD])
def test_each_rule_finds_a_breach(rule: Rule, path: str, text: str) -> None:
    assert len(list(rule(Source(path, text)))) == 1


GOOD = [
    ("harness/cli/x.py", "from mocks.host import Host\nfrom scenarios import SCENARIOS"),
    ("harness/load/x.py", "from harness.stats.quantiles import quantile\nimport time"),
    ("harness/load/conductor/run.py", "import gevent, locust"),
    ("harness/report/charts/x.py", "import matplotlib as mpl"),
    ("harness/stats/x.py", "a = np.random.default_rng(seed)\nb = rng.random(3)\nc = x.now"),
    ("harness/providers/x.py", "from . import sse\nfrom harness.providers.call import Call"),
    ("mocks/x.py", "from harness import draws\nfrom mocks.latency import hold\nimport asyncio"),
    ("scenarios/x.py", "from harness import draws\nfrom harness.flow.agent import Agent"),
    ("scenarios/locustfile.py", "import locust\nfrom harness.load import conductor"),
]


@pytest.mark.parametrize(("path", "text"), GOOD, ids=[path for path, _ in GOOD])
def test_no_rule_minds_what_is_allowed(path: str, text: str) -> None:
    assert [breach for rule in RULES for breach in rule(Source(path, text))] == []
