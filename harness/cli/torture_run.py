"""A torture run as the user asked for it: its options checked, its cases played, its end told."""

import re
import sys
import time
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, fields

from msgspec import structs

from harness.cli.exits import INCONCLUSIVE, INVALID, PASS, BadInput
from harness.cli.machine import cores
from harness.cli.printed import print_json
from harness.cli.problems import Problems
from harness.cli.setup import MOST_SEED
from harness.cli.torture_pool import Tally, play_all
from harness.cli.torture_told import (
    Broken,
    Least,
    least_of,
    lines_of,
    lines_of_case,
    lines_of_least,
    lines_of_unshrunk,
    summary,
    unshrunk,
)
from harness.cli.torturing import Played, play
from harness.torture.cases import STRATEGIES, case_of
from harness.torture.draw import Field
from harness.torture.reach import SCENARIOS
from mocks.profile import PaymentProfile, load, names

MOST_SEEDS = 100_000_000
LONGEST_S = 30 * 86_400
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The options as the user wrote them; None is what is usual."""

    seeds: str = "2000"
    time: str | None = None
    seed: str = "1"
    jobs: str | None = None
    pay: str | None = None
    strategy: str | None = None
    scenario: str | None = None
    least_hits: str = "0"


def run_torture(wanted: Wanted, *, as_json: bool) -> int:
    problems = Problems()
    seeds = problems.whole("--seeds", wanted.seeds, 1, MOST_SEEDS)
    lasting_s = None if wanted.time is None else _seconds(problems, wanted.time)
    base = problems.whole("--seed", wanted.seed, 0, MOST_SEED)
    jobs = cores() if wanted.jobs is None else problems.whole("--jobs", wanted.jobs, 1, 1024)
    least_hits = problems.whole("--least-hits", wanted.least_hits, 0, MOST_SEEDS)
    among = _field(problems, wanted)
    problems.settle()

    tally, began, stopped = Tally(), time.monotonic(), ""
    least: Least | None = None
    line = _Line(seeds if lasting_s is None else None)
    until = None if lasting_s is None else began + lasting_s
    try:
        play_all(base, among, jobs, tally, seeds=seeds, until=until, watch=lambda: line.show(tally))
    except KeyboardInterrupt:
        stopped = "interrupted"
    except BrokenProcessPool:
        stopped = "a worker process was killed"
    seconds = time.monotonic() - began
    told = summary(base, tally, among, seconds, least_hits, stopped)
    line.shrinks(tally)
    first: Broken | None = None
    if tally.broken:
        number = min(tally.broken)
        first = unshrunk(base, number, tally.broken[number], among)
        with suppress(KeyboardInterrupt):
            least = least_of(base, number, among)
            first = least.told()
    line.clear()
    if as_json:
        print_json(structs.replace(told, first=first))
    else:
        lines = lines_of(told, tally, among, least_hits)
        if stopped:
            lines.append(f"{stopped} after {told.conversations:,} conversations")
        if least:
            lines += ["", *lines_of_least(base, least)]
        elif first:
            lines += ["", *lines_of_unshrunk(base, first)]
        print("\n".join(lines))
    if tally.broken or stopped:
        return INVALID
    return INCONCLUSIVE if told.seldom else PASS


def run_case(text: str, *, as_json: bool, besides: Wanted | None = None) -> int:
    """Play that one, and show it whether it breaks or not. What is wanted `besides` would be of a
    whole run: BadInput names it."""
    if ignored := _unusual(besides or Wanted()):
        raise BadInput([f"--case plays one conversation, so leave out {', '.join(ignored)}"])
    try:
        case = case_of(text, SCENARIOS, names(PaymentProfile))
    except ValueError as error:
        raise BadInput([f"--case: {error}"]) from None
    played = play(case)
    if as_json:
        print_json(_told_of(played))
    else:
        print("\n".join(lines_of_case(played)))
    return INVALID if played.findings else PASS


def _unusual(wanted: Wanted) -> list[str]:
    """The options that were given, as they are written."""
    given = [of.name for of in fields(Wanted) if getattr(wanted, of.name) != of.default]
    return [f"--{name.replace('_', '-')}" for name in given]


def _told_of(played: Played) -> dict[str, object]:
    struck = [
        {"fault": fault, "stage": stage, "times": times}
        for (fault, stage), times in sorted(played.struck.items())
    ]
    findings = [
        {"rule": of.rule, "why": of.why, "lane": of.lane, "order_no": of.order_no}
        for of in played.findings
    ]
    return {"case": str(played.case), "struck": struck, "findings": findings}


def _field(problems: Problems, wanted: Wanted) -> Field:
    profiles = names(PaymentProfile)
    lanes = _named(problems, "--pay", wanted.pay, profiles) or _one_a_provider(profiles)
    scenarios = _named(problems, "--scenario", wanted.scenario, SCENARIOS) or SCENARIOS
    strategies = _strategies(problems, wanted.strategy)
    return Field(
        tuple(scenarios),
        tuple((lane, load(lane, PaymentProfile).provider) for lane in lanes),
        tuple(strategies) or tuple(STRATEGIES),
    )


def _one_a_provider(profiles: Sequence[str]) -> list[str]:
    """The shipped profile that goes by its provider's name."""
    return [name for name in profiles if load(name, PaymentProfile).provider == name]


def _named(problems: Problems, option: str, text: str | None, known: Sequence[str]) -> list[str]:
    """What is named, each once and in the order of those that are known; none where nothing is."""
    named = [part.strip() for part in (text or "").split(",") if part.strip()]
    for unknown in (name for name in named if name not in known):
        problems.add(f"{option}: there is no {unknown!r}; take {', '.join(known)}")
    if text is not None and not named:
        problems.add(f"{option} names nothing; take {', '.join(known)}")
    return [name for name in known if name in named]


def _strategies(problems: Problems, text: str | None) -> list[str]:
    """As other verbs take them: the mitigations of one may come in any order."""
    parts = [part.strip() for part in (text or "").split(",") if part.strip()]
    named = [problems.strategy("--strategy", part.replace("+", ",")).name for part in parts]
    return _named(problems, "--strategy", None if text is None else ",".join(named), [*STRATEGIES])


def _seconds(problems: Problems, text: str) -> float:
    written = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)([smh]?)", text.strip())
    seconds = float(written[1]) * _UNITS[written[2]] if written else 0.0
    if not 0 < seconds <= LONGEST_S:
        problems.add(f"--time must be as in 90, 10m or 1h, and at most 30 days, not {text!r}")
    return seconds


class _Line:
    """How far it is, on standard error where somebody can see it."""

    def __init__(self, seeds: int | None) -> None:
        self._of = "" if seeds is None else f" of {seeds:,}"
        self._shown = sys.stderr.isatty()

    def show(self, tally: Tally) -> None:
        if self._shown:
            broken = f", {tally.breaking:,} broke a rule" if tally.breaking else ""
            text = f"{tally.conversations:,}{self._of} conversations{broken}"
            print(f"\r{text:<79}", end="", file=sys.stderr, flush=True)

    def shrinks(self, tally: Tally) -> None:
        """What is left then takes as long as the least of the first that broke is looked for."""
        if self._shown and tally.broken:
            text = f"shrinking conversation {min(tally.broken)}: Ctrl-C takes what is found by then"
            print(f"\r{text:<79}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self._shown:
            print(f"\r{'':<79}\r", end="", file=sys.stderr, flush=True)
