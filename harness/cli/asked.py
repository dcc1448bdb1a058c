"""What a user asked of a run that Locust conducts, and whether it can be had; it starts nothing.

The processes of such a run each get the options as they were written and read them by this file, so
they all mean the same.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import msgspec

from harness.cli.exits import BadInput
from harness.cli.problems import Problems
from harness.cli.setup import LEAST_RATE, MOST_RATE, Options, checked
from harness.cli.targets import Wanted
from harness.cli.wiring import Setup
from harness.flow.strategy import Strategy
from mocks.host import MockConfig

if TYPE_CHECKING:
    from harness.cli.app_box import BlackBox

Targets = Literal["mock", "staging", "real"]

BLACK_BOX = ("app-chat", "app_chat")
"""The scenario in which the tested app's own agent talks to providers, and we only to the app."""

_PLAYERS = ("pay", "intent", "confirm", "reason", "score", "gateway", "fallback")
_OF_OURS = ("faults", "retries", "patience")

APP = "app"
"""What stands for a strategy there: the app has its own."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The options of the `locust` command that are ours, as the user wrote them; `host` is
    Locust's own. What is empty or None was not given."""

    scenario: str = "conversation"
    strategy: str = "baseline"
    """Several, to run side by side, are joined by " vs "."""
    seed: str = "1"
    flow_rate: str = "1"
    targets: str = ""
    """For the black box "mock" is read as staging: it is what stands there if nobody writes it."""
    host: str = ""
    slo: str | None = None
    mocks_url: str | None = None
    out: str = "results"
    think_scale: str | None = None
    pay: str | None = None
    intent: str | None = None
    confirm: str | None = None
    reason: str | None = None
    score: str | None = None
    gateway: str | None = None
    fallback: str | None = None
    faults: str | None = None
    retries: str | None = None
    patience: str | None = None
    param: list[str] | None = None


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to options that can be used."""

    mocks: MockConfig | None
    """What is to be served; None where whoever answers is there already, at `base_url`."""
    base_url: str
    """Of the providers, or of the app; "" where mocks are to be started."""
    scenario: str
    strategies: list[str]


def is_black_box(asked: Asked) -> bool:
    return asked.scenario in BLACK_BOX


def read(asked: Asked) -> "Setup | BlackBox":
    """What the options mean, or BadInput with all that is wrong."""
    return box_of(asked) if is_black_box(asked) else setup_of(asked)


def setup_of(asked: Asked) -> Setup:
    """The setup of a run in which the agent is ours, a variant for each strategy, or BadInput with
    all that is wrong."""
    problems = Problems()
    _check_common(asked, problems)
    if asked.mocks_url:
        problems.add(f"--mocks-url is only for --scenario {BLACK_BOX[0]}; leave it out")
    targets = _targets(asked.targets, problems)
    if asked.host and targets == "mock":
        # It is not shown: it may hold a password.
        problems.add("--host is where staging answers: add --targets staging, or leave it out")
    if targets == "staging":
        _check_host(asked.host, "the providers answer", problems)
        if asked.faults:
            problems.add(
                "--faults is what our mocks do; those that are served get it from whoever serves "
                "them: leave it out"
            )
    if asked.host and targets == "real":
        problems.add("--host is where staging answers: real providers have hosts of their own")
    return checked(_options(asked), problems, _strategies(asked.strategy, problems))


def box_of(asked: Asked) -> "BlackBox":
    """The tested app of a run in which the agent is its own, or BadInput with all that is wrong."""
    from harness.cli.app_box import check_box

    problems = Problems()
    _check_common(asked, problems)
    if _targets(asked.targets, problems) == "real":
        problems.add("--targets real: the app asks its own providers; leave it out")
    _check_host(asked.host, "the app answers", problems)
    if asked.mocks_url:
        problems.base_url("--mocks-url", asked.mocks_url)
    if asked.strategy not in ("", "baseline"):
        problems.add(f"--strategy {asked.strategy}: the app has its own; leave it out")
    if played := [f"--{name}" for name in _PLAYERS if getattr(asked, name)]:
        problems.add(f"{', '.join(played)}: the app chooses who plays; leave them out")
    if ours := [f"--{name}" for name in _OF_OURS if getattr(asked, name)]:
        problems.add(f"{', '.join(ours)}: neither the app nor its mocks are ours; leave them out")
    box = check_box(asked, problems)
    problems.settle()
    return box


def checked_of(asked: Asked) -> Checked:
    """The same checks, for whoever starts the processes."""
    scenario = name_of(asked)
    if is_black_box(asked):
        box_of(asked)
        return Checked(mocks=None, base_url=base_url_of(asked), scenario=scenario, strategies=[APP])
    setup = setup_of(asked)
    return Checked(
        mocks=None if targets_of(asked) == "staging" else setup.mocks,
        base_url=base_url_of(asked),
        scenario=scenario,
        strategies=[variant.name for variant in setup.variants],
    )


def targets_of(asked: Asked) -> Targets:
    """Of options that can be used."""
    if is_black_box(asked):
        return "staging"
    return _targets_named(asked.targets)


def base_url_of(asked: Asked) -> str:
    """Where the providers or the app answer; "" where that is for mocks yet to be started."""
    return asked.host.rstrip("/") if targets_of(asked) == "staging" else ""


def name_of(asked: Asked) -> str:
    """The scenario's, without folder and ending where it is a file."""
    return BLACK_BOX[0] if is_black_box(asked) else Path(asked.scenario).stem


def _check_common(asked: Asked, problems: Problems) -> None:
    problems.number("--flow-rate", asked.flow_rate, LEAST_RATE, MOST_RATE)
    problems.folder("--out", asked.out)
    if asked.slo:
        from harness.stats.slo import read_slos  # It brings numpy, and most runs have none.

        try:
            read_slos(asked.slo)
        except ValueError as error:
            for line in str(error).splitlines():
                problems.add(line if line.startswith("--slo") else f"--slo: {line}")


def _targets(text: str, problems: Problems) -> Targets:
    if text and text not in get_args(Targets):
        problems.add(f"--targets must be mock, staging or real, not {text!r}")
    return _targets_named(text)


def _targets_named(text: str) -> Targets:
    match text:
        case "staging" | "real":
            return text
    return "mock"


def _check_host(host: str, who: str, problems: Problems) -> None:
    if not host:
        problems.add(f"--host is missing: name where {who}, as in --host http://127.0.0.1:8700")
    else:
        problems.base_url("--host", host)


def _strategies(text: str, problems: Problems) -> list[Strategy]:
    """In the order in which they were written, at least one."""
    own = Problems()
    found = [own.strategy("--strategy", part.strip()) for part in re.split(r"\bvs\b", text)]
    if own.none:
        for name in _repeated(strategy.name for strategy in found):
            own.add(f"--strategy names {name} twice; keep one")
    try:
        own.settle()
    except BadInput as error:
        for problem in error.problems:
            problems.add(problem)
    return found


def _repeated(names: Iterable[str]) -> list[str]:
    seen = list(names)
    return [name for name in dict.fromkeys(seen) if seen.count(name) > 1]


def _options(asked: Asked) -> Options:
    return Options(
        scenario=asked.scenario,
        parameters=asked.param or [],
        clock="real",
        seed=asked.seed,
        rate=f"{LEAST_RATE}",  # the rate is told from outside, and changes
        wanted=Wanted(targets="real" if asked.targets == "real" else "mock"),
        think_scale=asked.think_scale or None,
        pay=asked.pay or None,
        models={
            "intent": asked.intent or None,
            "confirm": asked.confirm or None,
            "reason": asked.reason or None,
            "score": asked.score or None,
        },
        gateway=asked.gateway or None,
        fallback=asked.fallback or None,
        faults=asked.faults or None,
        retries=asked.retries or None,
        patience=asked.patience or None,
    )
