"""A flow as a test asks for it, found and checked; it plays none.

All that is wrong is gathered, in the words of the keywords that a test writes.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass
from inspect import isclass, iscoroutinefunction
from pathlib import Path
from typing import TypeGuard

import httpx

from harness.cli.exits import BadInput
from harness.cli.kinds import Kind, is_named, is_text, is_text_or_none, is_texts, is_transports
from harness.cli.own_flow import OwnFlow, find_function
from harness.cli.problems import Problems
from harness.cli.setup import LEAST_RATE, MOST_RATE, MOST_SEED, Options
from harness.flow.agent import Scenario
from harness.flow.own_function import name_of
from scenarios import SCENARIOS

MOST_ROUNDS, MOST_TURNS = 10_000, 10_000_000


@dataclass(frozen=True, slots=True)
class Story:
    """What is to be played; a scenario that is known by its name alone has neither of the two."""

    called: str
    function: OwnFlow | None = None
    scenario: Scenario | type[Scenario] | None = None
    missing: bool = False
    """None was found, and a problem says why."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A flow, and how it is to be played; the words are those of `tollbench compare`."""

    flow: object
    """A shipped scenario's name, a path to a .py file with a scenario, `path.py::function`, a
    scenario's class or object, or an async function of one OwnTurn or of nothing."""
    strategy: str = "baseline"
    """The mitigations that are on, joined by "," or "+"."""
    turns: int = 500
    rounds: int = 20
    seed: int = 1
    rate: float = 50
    """Turns/s."""
    parameters: Mapping[str, object] = field(default_factory=dict)
    pay: str | None = None
    intent: str | None = None
    confirm: str | None = None
    reason: str | None = None
    score: str | None = None
    gateway: str | None = None
    fallback: str | None = None
    capacity: int | None = None
    profiles: Sequence[str] = ()
    """Of functions: profiles that take the place of a provider's usual one."""
    others: Mapping[str, httpx.AsyncBaseTransport] = field(default_factory=dict)
    """Of functions: who answers in place of hosts that no mock stands for."""
    name: str = ""
    """In place of the flow's own."""
    root: Path = Path()
    """Where paths begin."""

    def file(self, text: str) -> str:
        """A path that begins at the root, where such a file is there; else what was written."""
        path = self.root / text
        if not text.endswith((".py", ".toml")) or not path.is_file():
            return text
        try:
            return os.path.relpath(path)
        except ValueError:  # on another drive
            return str(path)


_PROFILE = Kind('text, as "stripe"', is_text_or_none)
KINDS = {
    "strategy": Kind('text, with mitigations joined by +, as "prewarm+token_cache"', is_text),
    "parameters": Kind('a dict of values by their names, as {"turns": 3}', is_named),
    "pay": _PROFILE,
    **dict.fromkeys(
        ("intent", "confirm", "reason", "score", "fallback"),
        Kind('text, as "gpt-4o"', is_text_or_none),
    ),
    "gateway": Kind('text, as "litellm"', is_text_or_none),
    "profiles": Kind('a list of names, as ["stripe"]', is_texts),
    "others": Kind(
        'a dict of transports by their hosts, as {"shop.example": httpx.MockTransport(answer)}',
        is_transports,
    ),
    "name": Kind("text", is_text),
}
"""Of the rest the value itself tells whether it is right."""

FOR_SCENARIOS = (
    "parameters", "pay", "intent", "confirm", "reason", "score", "gateway", "fallback", "capacity"
)  # fmt: skip
FOR_FUNCTIONS = ("profiles", "others")


def find_story(asked: Asked, problems: Problems) -> Story:
    """What is to be played."""
    flow = asked.flow
    if isinstance(flow, str):
        return _named(asked, flow, problems)
    if _is_function(flow):
        return Story(name_of(flow), function=flow)
    if _is_scenario(flow):
        return Story(_called(flow if isclass(flow) else type(flow)), scenario=flow)
    problems.add(
        f"{getattr(flow, '__qualname__', repr(flow))} is no flow: give a scenario's name, a .py "
        "file, a scenario, or an async function"
    )
    return Story("", missing=True)


def check_asked(asked: Asked, problems: Problems, *, function: bool) -> tuple[int, int]:
    """All but what only a scenario's setup can tell. The rounds, and the turns over all of them."""
    problems.whole("seed", str(asked.seed), 0, MOST_SEED)
    problems.number("rate", str(asked.rate), LEAST_RATE, MOST_RATE)
    before = problems.none
    rounds = problems.whole("rounds", str(asked.rounds), 1, MOST_ROUNDS)
    turns = problems.whole("turns", str(asked.turns), 1, MOST_TURNS)
    if problems.none == before and turns < rounds:
        problems.add(f"turns={turns} cannot be spread over rounds={rounds}: take more turns")
    if asked.name and not _NAME.fullmatch(asked.name):
        problems.add(f"name must be of letters, digits and _ . - /, not {asked.name!r}")
    usual = Asked(flow="")
    for name in FOR_SCENARIOS if function else FOR_FUNCTIONS:
        if getattr(asked, name) != getattr(usual, name):
            whose = "scenarios" if function else "functions of your own"
            problems.add(f"{name} is for {whose}: leave it out")
    return rounds, turns


def options_of(asked: Asked, called: str) -> Options:
    """As the command line has them, for a scenario."""

    def file(text: str | None) -> str | None:
        return text and "+".join(map(asked.file, text.split("+")))

    return Options(
        scenario=asked.file(asked.flow) if isinstance(asked.flow, str) else called,
        parameters=[f"{name}={_text(value)}" for name, value in asked.parameters.items()],
        seed=str(asked.seed),
        rate=str(asked.rate),
        pay=file(asked.pay),
        models={
            "intent": file(asked.intent),
            "confirm": file(asked.confirm),
            "reason": file(asked.reason),
            "score": file(asked.score),
        },
        gateway=file(asked.gateway),
        fallback=file(asked.fallback),
        capacity=None if asked.capacity is None else str(asked.capacity),
    )


@contextmanager
def in_keywords() -> Iterator[None]:
    """BadInput that speaks of options is raised again speaking of keywords."""
    try:
        yield
    except BadInput as error:
        told = (re.sub(r"--([a-z][a-z-]*)", _keyword, problem) for problem in error.problems)
        raise BadInput(list(dict.fromkeys(told))) from None


def _is_function(flow: object) -> TypeGuard[OwnFlow]:
    """An async function, or an object that is called as one."""
    return not isclass(flow) and (
        iscoroutinefunction(flow) or iscoroutinefunction(getattr(type(flow), "__call__", None))  # noqa: B004  # what it is, not whether it is there
    )


_NAME = re.compile(r"[A-Za-z0-9_][\w.-]*(/[A-Za-z0-9_][\w.-]*)*", re.ASCII)
_KEYWORDS = {"set": "parameters", "profile": "profiles"}


def _named(asked: Asked, flow: str, problems: Problems) -> Story:
    path, _, function = flow.partition("::")
    if not function:
        return Story(Path(flow).stem if flow.endswith(".py") else flow)
    try:
        return Story(function, find_function(f"{asked.file(path)}::{function}"))
    except LookupError as error:
        problems.add(str(error))
        return Story(function, missing=True)


def _is_scenario(flow: object) -> TypeGuard[Scenario | type[Scenario]]:
    return is_dataclass(flow) and iscoroutinefunction(getattr(flow, "run", None))


def _called(kind: type) -> str:
    """`split_bill` for SplitBill, unless it is shipped under another name."""
    shipped = [name for name, of in SCENARIOS.items() if of is kind]
    return shipped[0] if shipped else re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind.__name__).lower()


def _keyword(option: re.Match[str]) -> str:
    return _KEYWORDS.get(option[1], option[1].replace("-", "_"))


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


NAMES = [of.name for of in fields(Asked) if of.name not in ("flow", "root")]
"""The keywords."""
