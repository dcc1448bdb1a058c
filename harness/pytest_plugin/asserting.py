"""The fixture `assert_latency`: what a test asks of turns, checked, judged and told; the verdicts
themselves are made elsewhere."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

import pytest

from harness.pytest_plugin import AssertLatency, Inconclusive
from harness.pytest_plugin.baselines import against_baseline
from harness.pytest_plugin.hiding import hidden_packages
from harness.pytest_plugin.tested import refuse, tested_by

if TYPE_CHECKING:
    from harness.cli.played import Played
    from harness.cli.problems import Problems
    from harness.record.check import Check
    from harness.record.run import Tolerance
    from harness.stats.slo import Slo

__tracebackhide__ = True


@pytest.fixture
def assert_latency(request: pytest.FixtureRequest) -> AssertLatency:
    """Hold turns to budgets, to a saving over other turns, or to their stored baseline."""

    def hold(
        turns: "Played",
        budgets: str = "",
        *,
        saves: str | None = None,
        than: "Played | None" = None,
        at: str | float = "p50",
        baseline: bool | str | Path | None = None,
        tolerance: str = "0%",
        inconclusive: Inconclusive | None = None,
    ) -> None:
        asked = _Asked(turns, budgets, saves, than, at, baseline, tolerance, inconclusive)
        question = _checked(request, asked)
        checks = _judged(request, question)
        tested_by(request.node).checks.extend(checks)
        _tell(checks, inconclusive or request.config.getoption("tollbench_inconclusive"))

    return hold


@dataclass(frozen=True, slots=True)
class _Asked:
    """As the user wrote it."""

    turns: object
    budgets: str
    saves: str | None
    than: object
    at: str | float
    baseline: bool | str | Path | None
    tolerance: str
    inconclusive: object


@dataclass(frozen=True, slots=True)
class _Saving:
    than: "Played"
    least: "Tolerance"
    quantile: float


@dataclass(frozen=True, slots=True)
class _Question:
    turns: "Played"
    slos: "Sequence[Slo]"
    saving: _Saving | None
    baseline: bool | str | Path | None
    tolerance: "Tolerance"


def _checked(request: pytest.FixtureRequest, asked: _Asked) -> _Question:
    """The question, or a failed test that says all that is wrong with it."""
    mistakes = hidden_packages()
    if not mistakes:
        from harness.cli.exits import BadInput

        try:
            return _question(asked)
        except BadInput as error:
            mistakes = list(error.problems)
    flow = getattr(asked.turns, "name", type(asked.turns).__name__)
    lines = [f"assert_latency: {mistake}" for mistake in mistakes]
    refuse(request.node, str(flow), "can be asked", lines)


def _question(asked: _Asked) -> _Question:
    """Raises BadInput with all that is wrong: first with what is of a wrong kind."""
    from harness.cli.played import Played
    from harness.cli.problems import Problems

    problems = Problems()
    _check_kinds(asked, problems)
    problems.settle()
    given = asked.saves is not None or asked.than is not None
    if not (asked.budgets or given or asked.baseline):
        problems.add("nothing is asked: give budgets, saves= and than=, or baseline=True")
    if asked.inconclusive not in (None, *get_args(Inconclusive)):
        problems.add(f"inconclusive must be fail, pass or skip, not {asked.inconclusive!r}")
    slos = problems.slos("budgets", asked.budgets or None)
    saving = _saving(asked, problems)
    tolerance = problems.tolerance("tolerance", _in_ms(asked.tolerance))
    if tolerance.amount and not asked.baseline:
        problems.add("tolerance is for a comparison with a baseline: add baseline=True")
    problems.settle()
    return _Question(cast(Played, asked.turns), slos, saving, asked.baseline, tolerance)


def _check_kinds(asked: _Asked, problems: "Problems") -> None:
    from harness.cli.kinds import (
        Kind,
        check_kinds,
        is_folder_or_bool,
        is_percentile,
        is_text,
        is_text_or_none,
    )
    from harness.cli.played import Played

    if not isinstance(asked.turns, Played):
        problems.add(_no_turns("the first argument", asked.turns))
    if asked.than is not None and not isinstance(asked.than, Played):
        problems.add(_no_turns("than", asked.than))
    budgets = 'text, with commas between them, as "p95 <= 5s, errors < 1%"'
    kinds = {
        "budgets": Kind(budgets, is_text),
        "saves": Kind('text with a unit, as "200ms" or "5%"', is_text_or_none),
        "at": Kind('a percentile, as "p50" or 99.9', is_percentile),
        "baseline": Kind("True, or a folder", is_folder_or_bool),
        "tolerance": Kind('text with a unit, as "5%" or "40ms"', is_text),
    }
    check_kinds(asked, kinds, problems)


def _saving(asked: _Asked, problems: "Problems") -> _Saving | None:
    if asked.saves is None and asked.than is None:
        return None
    if asked.saves is None:
        problems.add('than needs saves=, such as saves="200ms"')
    if asked.than is None:
        problems.add("saves needs than=, the turns that it is a saving over")
    least = problems.tolerance("saves", "0ms" if asked.saves is None else _in_ms(asked.saves))
    quantile = problems.quantile("at", str(asked.at))
    if asked.than is None:
        return None
    ours, theirs = cast("Played", asked.turns), cast("Played", asked.than)
    if ours is theirs:
        problems.add("than is the same turns: play the other flow or strategy")
    for what in ("seed", "rounds", "turns"):
        mine, other = getattr(ours.settings, what), getattr(theirs.settings, what)
        if mine != other:
            problems.add(
                f"{what} is {mine} here and {other} in than: play both alike, "
                "so that their turns meet the same luck"
            )
    return _Saving(theirs, least, quantile)


def _in_ms(text: str) -> str:
    """Seconds in ms: budgets take both."""
    seconds = re.fullmatch(r" *([0-9]*\.?[0-9]+) *s *", text)
    return f"{float(seconds[1]) * 1e3:f}ms" if seconds else text


def _no_turns(what: str, given: object) -> str:
    kind = type(given).__name__
    return f"{what} must be turns, as flow_benchmark and play_flow return them, not {kind}"


def _judged(request: pytest.FixtureRequest, question: _Question) -> "list[Check]":
    from harness.report.checks import checked_budgets, checked_saving

    turns, saving = question.turns, question.saving
    checks: list[Check] = []
    if question.slos:
        checks += checked_budgets(turns.name, turns.columns, turns.variant, question.slos)
    if saving is not None:
        checks.append(
            checked_saving(
                turns.name,
                turns.times,
                saving.than.name,
                saving.than.times,
                saving.least,
                saving.quantile,
                seed=turns.seed,
            )
        )
    if question.baseline:
        checks += against_baseline(request, turns, question.baseline, question.tolerance)
    return checks


def _tell(checks: "Sequence[Check]", inconclusive: Inconclusive) -> None:
    failed = [check.sentence for check in checks if check.state == "failed"]
    unclear = [check.sentence for check in checks if check.state == "cannot tell"]
    if failed or (unclear and inconclusive == "fail"):
        raise AssertionError("\n".join([*failed, *unclear]))
    if unclear and inconclusive == "skip":
        pytest.skip("\n".join(unclear))
