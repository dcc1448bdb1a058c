"""How a run stands while it lasts: its percentiles, seconds, engines and promises; it draws none.

It keeps counts and no turn, so a run may last for days. What is stored in the end is taken from the
rows anew; nothing here is.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from harness.load.crew import Crew, Member
from harness.load.health import missing_by, past_limits
from harness.load.histogram import Histogram
from harness.load.live_figures import Failure, Row, SloState, Snapshot, WorkerState
from harness.load.moments import Moments
from harness.load.pipe import Account, Counts, Gone, Part, Sample
from harness.record import FloatArray, FlowRow, Health, SloSummary, SpanRow, turns_in
from harness.stats.distributions import clopper_pearson, enclosing_places
from harness.stats.quantiles import enough
from harness.stats.slo import LEVEL, Slo, verdict_of
from harness.stats.strategies import spread_quantiles

TURN = "TURN"
"""The kind of a sample that is a whole turn."""

MOST_FAILURES = 20

CURVE = spread_quantiles((10, 8, 6, 5, 4, 3, 2, 1.5))


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a run before its first turn."""

    run_id: str
    scenario: str
    strategies: Sequence[str]
    targets: str
    seed: int
    slos: Sequence[Slo]


class Standing:
    """All that was heard so far, added up. What it hears, it tells its crew."""

    def __init__(self, facts: Facts, crew: Crew) -> None:
        self.last_due_s = 0.0
        """When the latest turn that has ended was due, since the origin."""
        self._facts, self._crew = facts, crew
        self._figures = _Figures(facts.strategies)
        self._moments = Moments(crew.plan)
        self._errors, self._lags, self._loop_lags = Histogram(), Histogram(), Histogram()

    def part(self, name: str, part: Part) -> None:
        """What has come of that engine since its last."""
        self._count(name, part.at_s, part.counts, self._figures.add(part.samples))
        self._loop_lags.add(np.array(part.loop_lags_ms, dtype=np.float64))
        self._add_errors(turns_in(part.records))
        self._crew.part(name, part)

    def account(self, name: str, account: Account) -> None:
        """Its last word."""
        self._count(name, account.at_s, account.counts, np.zeros(0))
        self._crew.account(name, account)

    def gone(self, gone: Gone) -> None:
        """What it had in flight is in flight no more."""
        member = self._crew.member(gone.worker)
        if member.state == "running":
            self._moments.add(gone.at_s, left=member.open)
        self._crew.gone(gone)

    def snapshot(
        self,
        state: str,
        *,
        stored: bool = False,
        reasons: Sequence[str] | None = None,
        slos: Sequence[SloSummary] | None = None,
    ) -> Snapshot:
        """The run so far; where it is stored, with the reasons and promises of the stored one."""
        facts, crew = self._facts, self._crew
        self._moments.close_until(crew.elapsed_s)
        reasons = self._reasons() if reasons is None else list(reasons)
        return Snapshot(
            state=state,
            run_id=facts.run_id,
            scenario=facts.scenario,
            strategies=list(facts.strategies),
            targets=facts.targets,
            seed=facts.seed,
            elapsed_s=round(crew.elapsed_s, 3),
            rows=self._figures.rows(),
            moments=list(self._moments.closed),
            workers=[_worker_state(crew, member) for member in crew.members],
            slos=self._slos() if slos is None else [_as_stored(slo) for slo in slos],
            failures=[
                Failure(stage=stage, cause=cause, count=count)
                for (stage, cause), count in crew.causes.most_common(MOST_FAILURES)
            ],
            valid=not reasons,
            reasons=reasons,
            stored=stored,
        )

    def _count(self, name: str, at_s: float, now: Counts, times_ms: FloatArray) -> None:
        """What these counts have more than the last ones of that engine."""
        member = self._crew.member(name)
        before = member.counts
        started = now.started - before.started
        finished = now.finished - before.finished
        failed = now.failed - before.failed
        # All that a lost one had in flight has left already, and so has what is heard of it late.
        lost = member.state == "lost"
        left = started - finished - failed if lost else now.running - before.running
        self._moments.add(
            at_s, started=started, finished=finished, failed=failed, left=left, times_ms=times_ms
        )

    def _add_errors(self, turns: Iterable[tuple[FlowRow, list[SpanRow]]]) -> None:
        """How late turns started, and how far calls were from the delay that was meant."""
        lags, spans = [], []
        for flow, of in turns:
            self.last_due_s = max(self.last_due_s, flow.due_s)
            lags.append((flow.start_s - flow.due_s) * 1e3)
            spans += [
                abs((span.end_s - span.start_s) * 1e3 - span.injected_ms)
                for span in of
                if span.status and not math.isnan(span.injected_ms)
            ]
        self._lags.add(np.array(lags, dtype=np.float64))
        self._errors.add(np.array(spans, dtype=np.float64))

    def _reasons(self) -> list[str]:
        """Those that can be told before the end, as the end would tell them."""
        (response_ms,) = self._figures.all_turns().quantiles([0.5])
        return [
            *past_limits(self._health(), "real", response_ms or 0.0),
            *missing_by(self._crew.summaries()),
        ]

    def _health(self) -> Health:
        tally = self._crew.tally()
        error_p50, error_p99 = self._errors.quantiles([0.5, 0.99])
        return Health(
            error_p50_ms=error_p50,
            error_p99_ms=error_p99,
            lag_p99_ms=self._lags.quantiles([0.99])[0],
            due=tally.due,
            started=tally.started,
            finished=tally.finished,
            failed=tally.failed,
            leaks=tally.leaks,
            loop_lag_p99_ms=self._loop_lags.quantiles([0.99])[0],
            cpu_share=tally.strain.cpu_share,
        )

    def _slos(self) -> list[SloState]:
        return [
            _slo_state(slo, strategy, self._figures.of(strategy, slo.stage))
            for slo in self._facts.slos
            for strategy in self._facts.strategies
        ]


class _Key(NamedTuple):
    strategy: str
    stage: str
    """Empty is the whole turn."""


class _Figures:
    """A histogram for each stage of each strategy."""

    def __init__(self, strategies: Sequence[str]) -> None:
        self._strategies = strategies
        self._of = {_Key(strategy, ""): Histogram() for strategy in strategies}

    def add(self, samples: Sequence[Sample]) -> FloatArray:
        """Returns the response times of the turns among them, infinite where one failed."""
        times: dict[tuple[str, str], list[float]] = defaultdict(list)
        failed: dict[tuple[str, str], int] = defaultdict(int)
        for sample in samples:
            if sample.fault:
                failed[sample.kind, sample.name] += 1
            else:
                times[sample.kind, sample.name].append(sample.response_ms)
        turns = []
        for kind, name in dict.fromkeys([*times, *failed]):
            of = np.array(times[kind, name], dtype=np.float64)
            self._histogram(kind, name).add(of, failed[kind, name])
            if kind == TURN:
                turns += [of, np.full(failed[kind, name], np.inf)]
        return np.concatenate(turns) if turns else np.zeros(0)

    def of(self, strategy: str, stage: str) -> Histogram:
        return self._of.get(_Key(strategy, stage)) or Histogram()

    def all_turns(self) -> Histogram:
        """Of all strategies together."""
        found = Histogram()
        for strategy in self._strategies:
            found.merge(self._of[_Key(strategy, "")])
        return found

    def rows(self) -> list[Row]:
        """A strategy after the other."""
        return [
            _row(key, histogram)
            for strategy in self._strategies
            for key, histogram in self._of.items()
            if key.strategy == strategy
        ]

    def _histogram(self, kind: str, name: str) -> Histogram:
        """Where there are several strategies, a name ends with one."""
        if len(self._strategies) == 1:
            key = _Key(self._strategies[0], "" if kind == TURN else name)
        else:
            stage, _, strategy = name.rpartition(" ")
            key = _Key(strategy, "" if kind == TURN else stage)
        return self._of.setdefault(key, Histogram())


def _row(key: _Key, histogram: Histogram) -> Row:
    p50, p90, p95, p99, *curve = map(_told, histogram.quantiles([0.5, 0.9, 0.95, 0.99, *CURVE]))
    return Row(
        strategy=key.strategy,
        stage=key.stage,
        count=histogram.count,
        failed=histogram.failed,
        p50_ms=p50,
        p90_ms=p90,
        p95_ms=p95,
        p99_ms=p99,
        max_ms=None if histogram.failed or not histogram.count else _told(histogram.largest_ms),
        curve=[(round(q * 100, 4), ms) for q, ms in zip(CURVE, curve, strict=True)],
    )


def _told(ms: float | None) -> float | None:
    return None if ms is None else round(ms, 4)


def _worker_state(crew: Crew, member: Member) -> WorkerState:
    of = crew.summary(member)
    return WorkerState(
        name=of.name,
        state=member.state,
        due=of.due,
        started=of.started,
        finished=of.finished,
        failed=of.failed,
        running=of.running,
        lost=of.lost,
        why=of.died,
    )


def _slo_state(slo: Slo, strategy: str, histogram: Histogram) -> SloState:
    """By all turns so far, taken to be independent."""
    figure, lo, hi = (
        _share_failed(histogram) if slo.quantile is None else _point(histogram, slo.quantile)
    )
    return SloState(
        text=slo.text,
        strategy=strategy,
        verdict=verdict_of(lo, hi, slo.limit, slo.inclusive),
        figure=figure,
        count=histogram.count,
    )


Interval = tuple[float | None, float | None, float | None]
"""A figure, null where it is infinite, and its bounds, null where there is too little to tell."""


def _share_failed(histogram: Histogram) -> Interval:
    n, failed = histogram.count, histogram.failed
    return (failed / n, *clopper_pearson(failed, n, LEVEL)) if n else (None, None, None)


def _point(histogram: Histogram, q: float) -> Interval:
    (figure,) = histogram.quantiles([q])
    n = histogram.count
    if not n or not enough(n, q, LEVEL):
        return _told(figure), None, None
    lower, upper = enclosing_places(n, q, LEVEL)
    places = [max(1, math.floor(lower)), min(n, math.ceil(upper))]
    lo, hi = (math.inf if ms is None else ms for ms in histogram.places(places))
    return _told(figure), lo, hi


def _as_stored(slo: SloSummary) -> SloState:
    return SloState(
        text=slo.text,
        strategy=slo.variant,
        verdict=slo.verdict,
        figure=slo.figure,
        count=slo.count,
    )
