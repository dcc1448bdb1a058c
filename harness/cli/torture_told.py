"""What a torture run tells: its coverage, and of the first conversation that broke the least of it
that still does, with what happened in it. It plays only what it shrinks."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from textwrap import wrap

import msgspec

from harness.cli.torture_pool import Tally
from harness.cli.torturing import BUG, RIGHT, Client, Finding, Played, play
from harness.report.conversation import waterfall
from harness.torture.cases import Case
from harness.torture.coverage import table
from harness.torture.draw import Field, case_of_number
from harness.torture.reach import ALL_CELLS, Cell, reachable
from harness.torture.shrink import shrink

WIDTH = 80
"""Of all but a case, which is copied whole."""

MOST_SELDOM = 10
"""Cells that are named, of those that were struck too seldom."""


class Hits(msgspec.Struct, frozen=True):
    """How often one fault struck at one stage under one strategy."""

    fault: str
    stage: str
    strategy: str
    hits: int


class Broken(msgspec.Struct, frozen=True):
    """The first conversation that broke, and the least of it that still does."""

    number: int
    rule: str
    why: str
    lane: str
    order_no: str
    drawn: str
    """The case of that number."""
    case: str
    """What is left of it."""
    tries: int
    whole: bool
    """It cannot be shrunk further; else nobody waited for that, or it took too many tries."""
    replay: str


class Torture(msgspec.Struct, frozen=True):
    """All of a run, for programs to read."""

    seed: int
    conversations: int
    turns: int
    calls: int
    seconds: float
    turns_per_s: float
    strikes: int
    coverage: list[Hits]
    seldom: list[Hits]
    breaches: dict[str, int]
    """How many conversations broke each rule, or met a bug."""
    stopped: str = ""
    first: Broken | None = None


@dataclass(frozen=True, slots=True)
class Least:
    """A broken case, shrunk, and how that was played."""

    number: int
    drawn: Case
    tries: int
    whole: bool
    """As in Broken."""
    finding: Finding
    played: Played

    def told(self) -> Broken:
        of = self.finding
        return Broken(
            self.number,
            of.rule,
            of.why,
            of.lane,
            of.order_no,
            str(self.drawn),
            str(self.played.case),
            self.tries,
            self.whole,
            replay(self.played.case),
        )


def least_of(base: int, number: int, among: Field) -> Least:
    """Of the case of that number, which breaks: what is left when it is shrunk, or by the time that
    somebody presses Ctrl-C. KeyboardInterrupt is that nothing was played by then."""
    drawn = case_of_number(base, number, among)
    played = play(drawn)
    finding = played.findings[0]
    tries, whole = 0, False

    def still(less: Case) -> bool:
        nonlocal played, finding, tries
        tries += 1
        tried = play(less)
        found = breach_of(tried, finding.kind)
        if found is None:
            return False
        played, finding = tried, found
        return True

    with suppress(KeyboardInterrupt):
        whole = shrink(drawn, still).whole
    return Least(number, drawn, tries, whole, finding, played)


def unshrunk(base: int, number: int, rules: Sequence[str], among: Field) -> Broken:
    """The same of one that nobody waited for."""
    drawn = case_of_number(base, number, among)
    case = str(drawn)
    return Broken(number, rules[0], "", "", "", case, case, 0, False, replay(drawn))


def breach_of(played: Played, kind: tuple[str, str]) -> Finding | None:
    """That it breaks in that way: by the same rule, or by the same bug."""
    return next((of for of in played.findings if of.kind == kind), None)


def breaks(case: Case, kind: tuple[str, str], client: Client = RIGHT) -> bool:
    return breach_of(play(case, client), kind) is not None


def replay(case: Case) -> str:
    return f"tollbench torture --case '{case}'"


def summary(
    base: int, tally: Tally, among: Field, seconds: float, least_hits: int, stopped: str
) -> Torture:
    cells = list(reachable(among.scenarios, among.providers))
    struck = tally.coverage.struck
    return Torture(
        seed=base,
        conversations=tally.conversations,
        turns=tally.turns,
        calls=tally.calls,
        seconds=round(seconds, 3),
        turns_per_s=round(tally.turns / seconds, 1) if seconds else 0.0,
        strikes=tally.coverage.total,
        coverage=[
            Hits(cell.fault, cell.stage, strategy, struck[cell.fault, cell.stage, strategy])
            for cell in cells
            for strategy in among.strategies
        ],
        seldom=[
            Hits(cell.fault, cell.stage, strategy, hits)
            for cell, strategy, hits in tally.coverage.seldom(cells, among.strategies, least_hits)
        ],
        breaches=dict(sorted(tally.rules.items())),
        stopped=stopped,
    )


def lines_of(told: Torture, tally: Tally, among: Field, least_hits: int) -> list[str]:
    """The run in text, without the conversation that broke."""
    lanes = ", ".join(lane for lane, _ in among.lanes)
    cells: list[Cell] = list(reachable(among.scenarios, among.providers))
    lines = [
        f"seed {told.seed}: {told.conversations:,} conversations, {told.turns:,} turns, "
        f"{told.calls:,} calls",
        *wrap(f"by {lanes}", WIDTH),
        f"{told.seconds:.1f} s, {told.turns_per_s:,.0f} turns/s",
        *wrap(
            f"{told.strikes:,} faults struck; how often each, by stage,{_in_which(among)}:", WIDTH
        ),
        "",
        *table(tally.coverage, cells, among.strategies),
        "",
        *_unmet(told, len(cells)),
    ]
    for hits in told.seldom[:MOST_SELDOM]:
        lines.append(
            f"{hits.fault} at {hits.stage} struck {hits.hits} times under {hits.strategy}, "
            f"of {least_hits} at least"
        )
    if len(told.seldom) > MOST_SELDOM:
        lines.append(f"and {len(told.seldom) - MOST_SELDOM} more were struck too seldom")
    if told.breaches:
        counts = ", ".join(f"{rule}: {count:,}" for rule, count in told.breaches.items())
        lines += wrap(f"conversations that broke a rule: {counts}", WIDTH)
    elif told.conversations:
        lines.append("no breach: what every app believes is what the books say")
    return lines


def lines_of_played(played: Played, findings: Sequence[Finding]) -> list[str]:
    """One conversation, turn by turn, and what is wrong with it."""
    lines = []
    for of in findings:
        where = f" ({of.order_no} at {of.lane})" if of.order_no else ""
        lines += wrap(f"{_head(of)}: {of.why}{where}", WIDTH, subsequent_indent="  ")
    lines += ["", *waterfall(played.flows, WIDTH, shown=played.shown)]
    for of in findings:
        lines += ["", *of.trace.splitlines()] if of.trace else []
    return lines


def lines_of_case(played: Played) -> list[str]:
    """One conversation that somebody named, whether it breaks or not."""
    lines = [str(played.case), "", *_struck(played), *lines_of_played(played, played.findings)]
    if not played.findings:
        lines += ["", "no breach: what the app believes is what the books say"]
    return lines


def lines_of_least(base: int, least: Least) -> list[str]:
    shrunk = f"shrunk in {least.tries:,} tries" + ("" if least.whole else ", and not to its end")
    return [
        f"the first is conversation {least.number} of seed {base}, {shrunk}; drawn as",
        f"  {least.drawn}",
        "what is left of it:",
        f"  {least.played.case}",
        "",
        *lines_of_played(least.played, [least.finding]),
        "",
        "play it again:",
        f"  {replay(least.played.case)}",
    ]


def lines_of_unshrunk(base: int, first: Broken) -> list[str]:
    return [
        f"the first is conversation {first.number} of seed {base}, which was not shrunk",
        "play it again:",
        f"  {first.replay}",
    ]


def _head(of: Finding) -> str:
    return "bug" if of.rule == BUG else f'breach of "{of.rule}"'


def _in_which(among: Field) -> str:
    count = len(among.strategies)
    if count == 1:
        return f" under {among.strategies[0]}"
    return f" in the worst of {count} strategies"


def _unmet(told: Torture, cells: int) -> list[str]:
    """What the run says nothing of: what it did not meet, and what it cannot."""
    lines = []
    if never := sum(of.hits == 0 for of in told.coverage):
        lines.append(
            f"{never:,} of {len(told.coverage):,} were not met (fault x stage x strategy); more "
            "--seeds meet more"
        )
    if cells < len(ALL_CELLS):
        lines.append('"-" is where nobody here makes such a call, or can be struck so at it')
    return [part for line in lines for part in wrap(line, WIDTH)]


def _struck(played: Played) -> list[str]:
    """A fault that is placed where its call was never made did not strike."""
    if not played.case.faults:
        return []
    struck = ", ".join(
        f"{fault} at {stage}" + (f" {times} times" if times > 1 else "")
        for (fault, stage), times in sorted(played.struck.items())
    )
    none = "nothing, as no such call was made, or it had no such thing"
    return wrap(f"struck: {struck or none}", WIDTH)
