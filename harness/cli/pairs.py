"""Arms that ought to be equal, or differ by what was put into them, played in pairs; judges none.

A pair is a whole small comparison: rounds, schedule and arms as compare makes them. On the virtual
clock two equal arms under one weather are equal to the last digit, and no false alarm could ever
be seen. There the arms of an A/A pair meet weather of their own each; whether they are equal under
one is checked besides, and what was slowed on purpose is compared under one weather, as compare
does. On the real clock the weather is always one, and the machine is the noise.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from msgspec import structs

from harness import clock as clocks
from harness import draws
from harness.cli.course import Course, Progress, stopping
from harness.cli.rounds import run_rounds
from harness.cli.slowing import slowed
from harness.cli.wiring import Setup, in_process_arms
from harness.cli.workers import run_in_workers
from harness.load.engine import Tally, Tell, round_schedule, run_round
from harness.stats.order import Pairing

FIRST, SECOND = "A", "B"

MOST_TWINS = 2
"""Pairs that must be equal to the last digit; one unequal turn is enough to know."""

LEAST_SLOWED = 10
SLOWED_SHARE = 1 / 5
"""Of the A/A pairs: there are five arms to each of these, and what is found at all is found in
nearly all."""


@dataclass(frozen=True, slots=True)
class Part:
    """Pairs of one kind, one after the other. Each arm is a setup with one variant, of its own
    name; the others are compared with the first. Its rounds are numbered on from `first_round`,
    so no two parts or pairs share any weather."""

    arms: tuple[Setup, ...]
    pairs: int
    first_round: int
    keeps_spans: bool = False

    @property
    def rounds_each(self) -> int:
        return self.arms[0].rounds

    @property
    def rounds(self) -> range:
        return range(self.first_round, self.first_round + self.pairs * self.rounds_each)

    @property
    def turns(self) -> int:
        return self.pairs * self.arms[0].turns * len(self.arms)

    @property
    def pairings(self) -> list[Pairing]:
        """The first arm with each of the others."""
        first, *others = (arm.variants[0].name for arm in self.arms)
        return [Pairing(first, other, self.rounds, self.rounds_each) for other in others]


@dataclass(frozen=True, slots=True)
class Trial:
    """All that a self-test plays. Only A/A pairs are played on the real clock."""

    same: Part
    twins: Part | None = None
    slowed: Part | None = None
    stage: str = ""
    percents: Sequence[float] = ()
    """What was slowed, and by how much in each arm but the first."""

    @property
    def parts(self) -> list[Part]:
        return [part for part in (self.same, self.twins, self.slowed) if part]

    @property
    def slowed_arms(self) -> list[tuple[str, float]]:
        """Their names, and by how much each was slowed."""
        return [(arm_name(percent), percent) for percent in self.percents]

    @property
    def rounds(self) -> int:
        return sum(len(part.rounds) for part in self.parts)

    @property
    def turns(self) -> int:
        return sum(part.turns for part in self.parts)


def trial_of(setup: Setup, pairs: int, stage: str, percents: Sequence[float]) -> Trial:
    """The trial of this setup, whose only variant plays every arm and whose turns and rounds are
    those of a pair."""
    first, second = _named(setup, FIRST), _named(setup, SECOND)
    if setup.clock == "real":
        return Trial(Part((first, second), pairs, 0, keeps_spans=True))
    same = Part((first, _other_weather(second)), pairs, 0)
    twins = Part((first, second), min(pairs, MOST_TWINS), same.rounds.stop, keeps_spans=True)
    slow = [_named(slowed(setup, stage, percent / 100), arm_name(percent)) for percent in percents]
    few = max(LEAST_SLOWED, round(pairs * SLOWED_SHARE))
    slowed_part = Part((first, *slow), few, twins.rounds.stop)
    return Trial(same, twins, slowed_part, stage, percents)


def arm_name(percent: float) -> str:
    """Of the arm that was slowed by so much."""
    return f"+{percent:g}%"


def run_trial(trial: Trial, jobs: int, progress: Progress, room: Path) -> Course:
    """Play it all. An interrupt or a bug ends it early and is told in the course. Turns are spooled
    in `room`."""
    setup = replace(trial.same.arms[0], rounds=trial.rounds)
    if setup.clock == "real":
        variants = tuple(arm.variants[0] for arm in trial.same.arms)
        turns = setup.turns * trial.same.pairs
        return run_rounds(replace(setup, variants=variants, turns=turns), jobs, progress, room)
    course = Course(room)
    with stopping(course, trial.rounds):
        play = Play(tuple(trial.parts))
        run_in_workers(play, setup, jobs, [range(trial.rounds)], course, progress)
    return course


@dataclass(frozen=True, slots=True)
class Play:
    """Plays one round of whichever part it belongs to, on a virtual loop of its own."""

    parts: tuple[Part, ...]

    def __call__(self, setup: Setup, round_: int, tell: Tell) -> Tally:
        part = next(part for part in self.parts if round_ in part.rounds)
        tally = Tally()
        # Verdicts need response times alone, and there are seven spans to each.
        _play(part, round_, tally, tell if part.keeps_spans else lambda turn, _: tell(turn, []))
        return tally


def _play(part: Part, round_: int, tally: Tally, tell: Tell) -> None:
    clock = clocks.VirtualClock()
    first = part.arms[0]

    async def main() -> None:
        arms = [arm for setup in part.arms for arm in in_process_arms(setup, round_, clock)]
        schedule = round_schedule(
            first.seed,
            round_,
            arms,
            turns=first.turns_in((round_ - part.first_round) % part.rounds_each),
            turns_each=first.scenario.turns,
            rate=first.rate,
        )
        await run_round(clock, arms, schedule, tally, tell=tell)

    clocks.run("virtual", main())


def _named(setup: Setup, name: str) -> Setup:
    (variant,) = setup.variants
    return replace(setup, variants=(replace(variant, name=name),))


def _other_weather(setup: Setup) -> Setup:
    """Other conversations and other delays. Its schedule is still the pair's: both arms are due
    side by side."""
    seed = int(draws.uniform(setup.seed, "other weather") * 2**62)
    return replace(setup, seed=seed, mocks=structs.replace(setup.mocks, seed=seed))
