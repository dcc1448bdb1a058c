"""What a comparison is asked and how long it may take, checked; and the looks of one that may stop
early. It runs no round."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.cli.course import Course
from harness.cli.exits import INCONCLUSIVE, PASS
from harness.cli.outcome import exit_code as code_of_run
from harness.cli.problems import Problems
from harness.record import Looks, RunSummary
from harness.stats.analysis import Question
from harness.stats.sequential import (
    ALPHA,
    LEAST_LOOKS,
    MOST_LOOKS,
    certain,
    level_of_look,
    planned_looks,
    primary_effects,
)
from harness.stats.strategies import Strategy

PRIMARY, NO_TOLERANCE, LOOKS = "p50", "0%", "5"
"""What is usual."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """The question and its looks as the user wrote them; None is what is usual."""

    quantiles: str
    tolerance: str | None = None
    primary: str | None = None
    until_certain: bool = False
    looks: str | None = None


def asked(
    asking: Asking, problems: Problems, factors: Sequence[str], planned: Sequence[int]
) -> Question:
    """What is to be found out, at the level that the planned looks leave to each."""
    quantiles = problems.quantiles("--quantiles", asking.quantiles)
    primary = PRIMARY if asking.primary is None else asking.primary
    tolerance = NO_TOLERANCE if asking.tolerance is None else asking.tolerance
    at = problems.quantile("--primary", primary)
    if factors and problems.none and at not in quantiles:
        problems.add(
            f"--primary {primary} is not among --quantiles {asking.quantiles}: "
            "add it there, or take one of them"
        )
    return Question(
        factors=factors,
        quantiles=quantiles,
        primary=at,
        tolerance=problems.tolerance("--tolerance", tolerance),
        effect_level=level_of_look(len(planned) or 1),
    )


def looks_ahead(asking: Asking, problems: Problems, rounds: int) -> list[int]:
    """After how many rounds a run of this usual length is looked at; none where it is run whole."""
    if not asking.until_certain:
        if asking.looks is not None:
            problems.add("--looks is for --until-certain: add that, or leave it out")
        return []
    wanted = LOOKS if asking.looks is None else asking.looks
    looks = problems.whole("--looks", wanted, LEAST_LOOKS, MOST_LOOKS)
    try:
        return planned_looks(rounds, looks) if problems.none else []
    except ValueError as error:
        problems.add(f"--until-certain: {error}")
        return []


def refuse_unasked(asking: Asking, problems: Problems, *, providers: bool, sweep: bool) -> None:
    """What makes no sense where providers are compared, or several comparisons are made."""
    if providers:
        given = {
            "--tolerance": asking.tolerance is not None,
            "--primary": asking.primary is not None,
            "--until-certain": asking.until_certain,
        }
        for option in (name for name, is_given in given.items() if is_given):
            problems.add(f"{option} is not for --providers, which varies no mitigation: drop it")
    elif sweep and asking.until_certain:
        problems.add(
            "--until-certain is for one comparison, and --sweep-session-share makes four: "
            "leave one of them out"
        )


@dataclass(slots=True)
class Looking:
    """Looks at a run as it goes, and tells of it at its end; a run without looks planned is looked
    at only when it is whole, and is enough then whatever it found."""

    planned: Sequence[int]
    variants: Sequence[Strategy]
    question: Question
    used: int = 0
    certain: bool = False

    def enough(self, course: Course) -> bool:
        """Whether all that was the question is decided, at this look's share of alpha."""
        if not self.planned:
            return True
        self.used += 1
        found = primary_effects(course.turns(), self.variants, self.question)
        self.certain = certain([effect.verdict for effect in found])
        return self.certain

    def told(self, course: Course) -> Looks:
        return Looks(
            planned=list(self.planned),
            used=self.used,
            ended="stopped" if course.stopped else "certain" if self.certain else "last look",
            alpha=ALPHA,
        )


def exit_code(summary: RunSummary) -> int:
    """As for any run, but that a question left open at the last look is inconclusive."""
    code = code_of_run(summary)
    left_open = summary.looks is not None and summary.looks.ended == "last look"
    return INCONCLUSIVE if code == PASS and left_open else code
