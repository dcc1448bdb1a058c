"""A made-up run of many turns, from its spools to its page, and what memory each step came to; a
script, which measures nothing but itself.

`python -m tests.benchmarks.long_run load 1000000 FOLDER` stores one strategy in one round, as
`tollbench load` does, and with `compare` 8 strategies over 20 rounds; `page` makes the page of the
run in a folder. Each step prints a line of JSON.
"""

import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np

from harness import record
from harness.cli.outcome import store  # noqa: F401  # all that a run has loaded counts
from harness.load.engine import Tally
from harness.load.health import examine
from harness.record import FloatArray, FlowRow, SpanRow, Spool
from harness.stats.analysis import Question, analyse, with_findings
from tests.record.sample import SUMMARY
from tests.stats.by_hand import ALL, THREE

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class Plan:
    """How turns are shared out."""

    variants: int
    rounds: int
    factors: Sequence[str]


PLANS = {"load": Plan(1, 1, ()), "compare": Plan(8, 20, THREE)}

STAGES = ("intent", "session", "encrypt", "pay", "confirm")
MEANS_MS = np.array([1100.0, 330.0, 0.2, 590.0, 1700.0])
RARE = ("score", "reason", "refresh", "key", "sign", "notify", "refund", "query", "reverse")
"""One call in a hundred is one of these: a stage more is a column more."""

COLD_SHARE, RATE = 0.7, 100.0
AT_ONCE = 5_000
"""Turns made up together, which end in an order of their own."""


class Step(msgspec.Struct, frozen=True):
    """What a step took, and the largest this process had been when it ended."""

    name: str
    seconds: float
    peak_mb: float
    """Megabytes of 1,000,000 bytes."""


def spool_run(plan: Plan, turns: int, folder: Path) -> list[Path]:
    """A spool a round."""
    found = []
    rng = np.random.default_rng(1)
    for round_ in range(plan.rounds):
        found.append(folder / f"round-{round_}.spool")
        with Spool(found[-1]) as spool:
            for flow, spans in _round(rng, round_, plan.variants, turns // plan.rounds):
                spool.add(flow, spans)
    return found


def store_run(plan: Plan, turns: int, folder: Path, spools: Sequence[Path]) -> None:
    """As a run is stored, with a line for each step."""
    columns = _told("gather", lambda: record.gather(spools, folder))
    for spool in spools:
        spool.unlink()
    tally = Tally(due=turns, started=turns, finished=turns)
    health, reasons = _told("examine", lambda: examine(tally, columns, "virtual"))
    strategies = ALL[: plan.variants]
    question = Question(factors=plan.factors)
    found = _told("analyse", lambda: analyse(columns, strategies, question))
    summary = msgspec.structs.replace(
        SUMMARY,
        rows_sha256=_told("hash", lambda: record.sha256(columns)),
        rounds=plan.rounds,
        rounds_finished=plan.rounds,
        health=health,
        valid=not reasons,
        invalid_because=reasons,
        parameters={"rate": RATE, "think_scale": 1.0},
    )
    _told("finish", lambda: record.finish(folder, with_findings(summary, found)))


def peak_mb() -> float:
    """The most that this process has had resident, in megabytes of 1,000,000 bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def _told(name: str, step: Callable[[], ResultT]) -> ResultT:
    start = time.perf_counter()
    result = step()
    told = Step(name, round(time.perf_counter() - start, 2), round(peak_mb(), 1))
    print(msgspec.json.encode(told).decode(), flush=True)
    return result


def _round(
    rng: np.random.Generator, round_: int, variants: int, turns: int
) -> Iterator[tuple[FlowRow, list[SpanRow]]]:
    names = [strategy.name for strategy in ALL[:variants]]
    places = product(range(turns // variants), names)
    for first in range(0, turns, AT_ONCE):
        count = min(AT_ONCE, turns - first)
        took_ms = np.round(rng.lognormal(0, 0.25, size=(count, len(STAGES))) * MEANS_MS, 3)
        took_ms[rng.random(count) > COLD_SHARE, 1] = 0.0
        rare = rng.integers(0, 100 * len(RARE), size=took_ms.shape)
        due_s = np.round((first + np.arange(count)) / RATE, 6)
        made = [
            _turn(round_, *next(places), due_s[n], took_ms[n], rare[n].tolist())
            for n in range(count)
        ]
        yield from sorted(made, key=lambda turn: turn[0].end_s)


def _turn(
    round_: int,
    conversation: int,
    variant: str,
    due_s: float,
    took_ms: FloatArray,
    rare: Sequence[int],
) -> tuple[FlowRow, list[SpanRow]]:
    ends = np.round(due_s + np.cumsum(took_ms) / 1e3, 9).tolist()
    starts = [float(due_s), *ends[:-1]]
    response_ms = round(float(took_ms.sum()), 3)
    spans = [
        SpanRow(
            variant=variant,
            round=round_,
            conversation=conversation,
            turn=0,
            span=n,
            stage=RARE[rare[n]] if rare[n] < len(RARE) else STAGES[n],
            provider="mock",
            start_s=starts[n],
            first_byte_s=ends[n],
            first_token_s=ends[n],
            end_s=ends[n],
            injected_ms=float(took_ms[n]),
            queue_ms=0.0,
            status=200,
            attempt=1,
            critical=True,
        )
        for n in range(len(STAGES))
        if took_ms[n]
    ]
    flow = FlowRow(
        variant=variant,
        round=round_,
        conversation=conversation,
        turn=0,
        due_s=starts[0],
        start_s=starts[0],
        end_s=ends[-1],
        response_ms=response_ms,
        service_ms=response_ms,
        outcome="declined" if conversation % 33 == 0 else "paid",
        cold=bool(took_ms[1]),
        method="balance",
        amount_minor=100 + conversation * 7919 % 19_900,
        currency="CNY",
        fee_minor=conversation % 120,
        calls=len(spans),
        wasted_prewarms=0,
        stale_tokens=0,
        corrections=0,
        guarded=0,
        human_ms=0.0,
        token_cost_micro=8_000 + conversation % 4_000,
    )
    return flow, spans


def draw_page(folder: Path) -> None:
    """As `tollbench report` does it."""
    from harness.cli.stored import open_run
    from harness.report.charts import charts_of, svg_of
    from harness.report.page import write_page

    summary, columns = _told("read", lambda: open_run(folder))
    svgs = {
        name: _told(name, partial(svg_of, name, summary, columns)) for name in charts_of(summary)
    }
    _told("page", lambda: write_page(folder, summary, svgs))


def main(what: str, *rest: str) -> None:
    _told("start", lambda: None)
    if what == "page":
        draw_page(Path(rest[0]))
        return
    plan, turns, folder = PLANS[what], int(rest[0]), Path(rest[1])
    spools = _told("spool", lambda: spool_run(plan, turns, folder))
    store_run(plan, turns, folder, spools)


if __name__ == "__main__":
    main(*sys.argv[1:])
