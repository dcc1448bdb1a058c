"""A flow played on the virtual clock, with all that a verdict about it needs; it judges none of it.

What is the user's own is played each time that it is asked for, since its code may have been
patched in between. A shipped scenario that is asked for again would be the same to the microsecond,
and need not be played.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from harness import record
from harness.cli.asked_flow import (
    KINDS,
    NAMES,
    Asked,
    check_asked,
    find_story,
    in_keywords,
    options_of,
)
from harness.cli.bugs import bare
from harness.cli.kinds import check_kinds
from harness.cli.outcome import parameters_of, run_of
from harness.cli.own_rounds import Own, play_own, rounds_quickly
from harness.cli.problems import Problems
from harness.cli.rounds import one_virtual_round
from harness.cli.served import Served, chosen
from harness.cli.setup import checked
from harness.cli.wiring import Setup
from harness.load.engine import Tally
from harness.load.health import examine
from harness.record import Columns, FlowFigures, TurnTimes
from harness.record.baseline import Settings
from harness.stats.turn_times import figures_of, story_of, times_of
from scenarios import SCENARIOS

__all__ = ["NAMES", "Asked", "Kept", "Played", "Unbelievable", "play"]


__tracebackhide__ = True  # pytest shows the user's own lines


@dataclass(frozen=True, eq=False)
class Played:
    """One flow under one strategy, played to its end; its figures can be believed."""

    name: str
    """What it is called by, its strategy included: `conversation/prewarm`."""
    variant: str
    columns: Columns
    settings: Settings
    seed: int
    profiles: Mapping[str, str]
    """Profile -> the digest of its figures: of all that were there, also those that no call
    reached."""
    own_code: bool
    """Whether it is a function, which says itself whom it calls."""

    @cached_property
    def times(self) -> TurnTimes:
        return times_of(self.columns, self.variant)

    @cached_property
    def figures(self) -> FlowFigures:
        return figures_of(self.name, self.columns, self.variant)

    def __repr__(self) -> str:
        """Short: pytest shows it beside an assertion that failed."""
        return f"<{self.name}: {self.settings.turns} turns>"


class Unbelievable(Exception):
    """The flow was played, and its figures cannot be believed; a line for each reason."""


class Kept:
    """Scenarios that were played; none of them need be played twice."""

    def __init__(self) -> None:
        self._found: list[tuple[Setup, Played]] = []

    def find(self, setup: Setup, name: str) -> Played | None:
        return next((of for at, of in self._found if at == setup and of.name == name), None)

    def keep(self, setup: Setup, played: Played) -> None:
        self._found.append((setup, played))


def play(asked: Asked, kept: Kept | None = None) -> Played:
    """Play it, or take it from what is kept.

    Raises BadInput with all that is wrong with what was asked, Unbelievable where the figures
    cannot be believed, and whatever the flow itself raises that is no provider's fault.
    """
    problems = Problems()
    check_kinds(asked, KINDS, problems)
    problems.settle()
    with in_keywords():
        story = find_story(asked, problems)
        strategy = problems.strategy("strategy", asked.strategy.replace("+", ","))
        rounds, turns = check_asked(asked, problems, function=story.function is not None)
        if story.missing:
            problems.settle()
        name = f"{asked.name or story.called}/{strategy.name}"
        if story.function is not None:
            profiles = [asked.file(of) for of in asked.profiles]
            served = chosen(problems, str(asked.seed), profiles, ())
        else:
            setup = checked(
                options_of(asked, story.called),
                problems,
                [strategy],
                rounds=rounds,
                turns=turns,
                given=story.scenario,
            )
    if story.function is not None:
        own = Own(
            function=story.function,
            strategy=strategy,
            mocks=served.mocks,
            seed=served.mocks.seed,
            rounds=rounds,
            turns=turns,
            rate=float(asked.rate),
            others=asked.others,
        )
        return _play_function(own, served, name)
    found = kept.find(setup, name) if kept else None
    return found or _play_scenario(setup, story.called, name, kept)


def _play_scenario(setup: Setup, called: str, name: str, kept: Kept | None) -> Played:
    (variant,) = setup.variants
    columns = _believed(name, bare(lambda: _all_rounds(setup)))
    profiles = dict(run_of(setup, called).profiles)
    settings = Settings(
        scenario=called,
        story=story_of(columns, variant.name),
        parameters=parameters_of(setup.scenario),
        strategy=variant.strategy.name,
        pay=variant.pay,
        profiles=profiles,
        seed=setup.seed,
        rounds=setup.rounds,
        turns=setup.turns,
        rate=setup.rate,
    )
    played = Played(name, variant.name, columns, settings, setup.seed, profiles, own_code=False)
    if kept and type(setup.scenario) in SCENARIOS.values():
        kept.keep(setup, played)
    return played


def _all_rounds(setup: Setup) -> Tally:
    tally = Tally()
    with rounds_quickly():
        for round_ in range(setup.rounds):
            tally.add(one_virtual_round(setup, round_))
    return tally


def _play_function(own: Own, served: Served, name: str) -> Played:
    strategy = own.strategy
    columns = _believed(name, bare(lambda: play_own(own)))
    profiles = served.fingerprints()
    settings = Settings(
        scenario=name.removesuffix(f"/{strategy.name}"),
        story=story_of(columns, strategy.name),
        parameters={},
        strategy=strategy.name,
        profiles={profile: profiles[profile] for profile in _reached(columns, served)},
        seed=own.seed,
        rounds=own.rounds,
        turns=own.turns,
        rate=own.rate,
    )
    return Played(name, strategy.name, columns, settings, own.seed, profiles, own_code=True)


def _believed(name: str, tally: Tally) -> Columns:
    record.sort(tally.rows)
    columns = record.columns_of(tally.rows)
    _, reasons = examine(tally, columns, "virtual")
    if reasons:
        raise Unbelievable("\n".join(f"{name} cannot be believed: {why}" for why in reasons))
    return columns


def _reached(columns: Columns, served: Served) -> list[str]:
    """The profiles of the providers that were called."""
    providers = columns.spans.provider.names
    return sorted({of for provider in providers if provider for of in served.names_at(provider)})
