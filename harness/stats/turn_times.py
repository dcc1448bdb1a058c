"""What one strategy took, from its rows: turn by turn and stage by stage, to the microsecond; it
judges nothing.

Delays are drawn in whole microseconds and clocks add them up in floats. Rounded back, and summed as
whole numbers, equal runs have equal bits.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from harness.record import (
    BoolArray,
    Columns,
    FloatArray,
    FlowFigures,
    IntArray,
    QuantileSummary,
    StagePart,
    Text,
    Turns,
    TurnTimes,
    wide,
)
from harness.record.columns import Array, ShapeT, made
from harness.stats.bootstrap import RESAMPLES, spread_of, times_drawn
from harness.stats.critical_path import APPROVE, OWN_TIME, stage_matrix
from harness.stats.difference import LEVEL
from harness.stats.quantiles import Sample
from harness.stats.strategies import TOLD, quantile_summaries

LEAST_PART_MS = 0.0005
"""A mean that changed by less is rounding, and not told."""


def times_of(columns: Columns, variant: str) -> TurnTimes:
    """The times of the turns of one strategy, which may have none.

    Stages come in the order of the alphabet, own time last, which has no span. An approval is the
    user's time, and no stage of these.
    """
    own = rows_of_variant(columns, variant)
    turns = own.turns
    stages = (*(name for name in own.spans.stage.names if name != APPROVE), OWN_TIME)
    busy_us, calls = _busy_us(own, stages)
    return TurnTimes(
        round=wide(turns.round),
        conversation=wide(turns.conversation),
        turn=wide(turns.turn),
        answered=~turns.unanswered,
        stages=stages,
        critical_us=_critical_us(own, stages),
        busy_us=busy_us,
        calls=calls,
    )


def story_of(columns: Columns, variant: str) -> str:
    """12 hexadecimal digits of what the users of one strategy asked for, and when they came back.

    It holds the turns that there were, of each the method, the amount and its currency, and how
    long the user thought before the next one; and nothing of how long anything took.
    """
    turns = rows_of_variant(columns, variant).turns
    digest = hashlib.sha256()
    asked = (turns.round, turns.conversation, turns.turn, turns.amount_minor, _thought_us(turns))
    for column in asked:
        digest.update(np.ascontiguousarray(column, dtype="<i8").tobytes())
    for text in (turns.method, turns.currency):
        digest.update(msgspec.json.encode([text.names[code] for code in text.codes.tolist()]))
    return digest.hexdigest()[:12]


def figures_of(name: str, columns: Columns, variant: str) -> FlowFigures:
    """What a flow took, under the name that it goes by."""
    return figures_of_times(name, times_of(columns, variant))


def figures_of_times(name: str, times: TurnTimes) -> FlowFigures:
    """The same of times that are taken already; the mean to the microsecond."""
    answered = int(times.answered.sum())
    critical_us = times.critical_us[times.answered].sum(axis=0)
    mean_ms = [us / max(1, answered) / 1000 for us in (critical_us.sum(), *critical_us.tolist())]
    return FlowFigures(
        name=name,
        turns=times.answered.size,
        failed=times.answered.size - answered,
        mean_ms=round(float(mean_ms[0]), 3) if answered else None,
        quantiles=[_to_a_tenth(of) for of in quantile_summaries(sample_of(times), TOLD)],
        critical_ms={
            stage: round(ms, 3)
            for stage, ms in zip(times.stages, mean_ms[1:], strict=True)
            if abs(ms) >= LEAST_PART_MS
        },
    )


def only(times: TurnTimes, of: BoolArray) -> TurnTimes:
    """These turns of it alone."""
    rows = {
        name: getattr(times, name)[of]
        for name in ("round", "conversation", "turn", "answered", "critical_us", "busy_us", "calls")
    }
    return replace(times, **rows)


def sample_of(times: TurnTimes) -> Sample:
    """The response times and their rounds."""
    return Sample(times.answered_ms, times.round)


def stage_changes(
    a: TurnTimes, b: TurnTimes, *, seed: int, level: float = LEVEL
) -> list[StagePart]:
    """How much of the mean of b less that of a lies in each stage of the critical path, the largest
    first; all parts together are the change of the mean of the turns that were answered.

    Rounds of the same number met the same weather and are drawn together. No interval below 5
    rounds. Stages that did not change are left out, and there is none at all where a or b has no
    answered turn.
    """
    return _parts(stage_means([a, b], "critical", seed=seed), level)


@dataclass(frozen=True, slots=True, eq=False)
class StageMeans:
    """Mean ms a turn in each stage, of the answered turns of several samples; NaN where none was.

    `seen` is shaped (samples, stages) and `drawn` (samples, stages, resamples), whose rounds
    all samples share.
    """

    stages: tuple[str, ...]
    seen: FloatArray
    drawn: FloatArray
    rounds: int


def stage_means(
    samples: Sequence[TurnTimes],
    what: Literal["critical", "busy"],
    *,
    seed: int,
    resamples: int = RESAMPLES,
) -> StageMeans:
    """Of all rounds and stages that any sample has, own time last. Without a turn there is no round
    to draw."""
    rounds = np.unique(np.concatenate([times.round for times in samples]))
    named = {stage for times in samples for stage in times.stages} - {OWN_TIME}
    stages = (*sorted(named), OWN_TIME)
    if not rounds.size:
        none = np.full((len(samples), len(stages), resamples), np.nan)
        return StageMeans(stages, none[:, :, 0], none, 0)
    drawn_times = times_drawn(rounds.size, seed, resamples)
    seen, drawn = [], []
    for times in samples:
        sums_us, turns = _by_round(times, what, rounds, stages)
        # A resample of rounds in which no turn was answered is NaN.
        with np.errstate(invalid="ignore", divide="ignore"):
            seen.append(sums_us.sum(axis=0) / turns.sum() / 1000)
            of_each = (drawn_times @ turns)[:, np.newaxis]
            drawn.append((drawn_times @ sums_us / of_each / 1000).T)
    return StageMeans(stages, np.array(seen), np.array(drawn), rounds.size)


def rows_of_variant(columns: Columns, variant: str) -> Columns:
    """The turns and the spans of one strategy alone, under no name but its own."""
    return Columns(_only(columns.turns, variant), _only(columns.spans, variant))


def _to_a_tenth(of: QuantileSummary) -> QuantileSummary:
    """Turns that it is worth, no finer than they mean anything."""
    if of.effective_turns is None:
        return of
    return msgspec.structs.replace(of, effective_turns=round(of.effective_turns, 1))


def _only(shape: ShapeT, variant: str) -> ShapeT:
    of = shape.variant.holds(variant)
    found: dict[str, Array] = {}
    for field in fields(shape):
        column: Array = getattr(shape, field.name)
        found[field.name] = _met(column, of) if isinstance(column, Text) else column[of]
    return made(type(shape), found)


def _met(text: Text, of: BoolArray) -> Text:
    """These rows, and of the names only those that occur in them."""
    codes, places = np.unique(text.codes[of], return_inverse=True)
    return Text(tuple(text.names[code] for code in codes.tolist()), places)


def _busy_us(own: Columns, stages: Sequence[str]) -> tuple[IntArray, IntArray]:
    """The whole length of the spans of each turn, and how many of them are calls and no local
    steps; (turns, stages)."""
    spans, owner = own.spans, own.turn_of_span()
    column = _places(spans.stage, stages)
    found = np.flatnonzero((owner >= 0) & (column >= 0))
    where = owner[found], column[found]
    shape = len(own.turns), len(stages)
    busy_us, calls = (np.zeros(shape, dtype=np.int64) for _ in range(2))
    np.add.at(busy_us, where, _us((spans.end_s[found] - spans.start_s[found]) * 1e3))
    np.add.at(calls, where, _is_call(spans.provider)[found])
    return busy_us, calls


def _critical_us(own: Columns, stages: Sequence[str]) -> IntArray:
    """What each turn waited for, shaped (turns, stages); own time is what its stages leave of its
    response time."""
    laid = stage_matrix(own)
    each_us = np.zeros((len(own.turns), len(stages)), dtype=np.int64)
    for name, ms in zip(laid.names[:-1], laid.ms.T, strict=False):
        each_us[:, stages.index(name)] = _us(ms)
    each_us[:, -1] = _us(own.turns.response_ms) - each_us.sum(axis=1)
    return each_us


def _places(stage: Text, stages: Sequence[str]) -> IntArray:
    """The column of each span's stage, -1 where it has none."""
    columns = {name: place for place, name in enumerate(stages)}
    return np.array([columns.get(name, -1) for name in stage.names], dtype=np.int64)[stage.codes]


def _is_call(provider: Text) -> BoolArray:
    """Local steps have no provider."""
    return np.array([bool(name) for name in provider.names], dtype=np.bool_)[provider.codes]


def _us(ms: FloatArray) -> npt.NDArray[np.int64]:
    """Whole microseconds."""
    return np.rint(ms * 1e3).astype(np.int64)


def _thought_us(turns: Turns) -> IntArray:
    """From the end of the turn before in the same conversation until each was due; 0 of a first."""
    same = (turns.round[1:] == turns.round[:-1]) & (
        turns.conversation[1:] == turns.conversation[:-1]
    )
    thought_us = np.zeros(len(turns), dtype=np.int64)
    later = np.flatnonzero(same) + 1
    thought_us[later] = _us((turns.due_s[later] - turns.end_s[later - 1]) * 1e3)
    return thought_us


def _by_round(
    times: TurnTimes, what: Literal["critical", "busy"], rounds: IntArray, stages: Sequence[str]
) -> tuple[FloatArray, IntArray]:
    """The sums of its answered turns in these rounds and stages, 0 where it has none, and how many
    turns each round has."""
    of = times.critical_us if what == "critical" else times.busy_us
    rows = np.searchsorted(rounds, times.round[times.answered])
    columns = np.array([stages.index(name) for name in times.stages], dtype=np.int64)
    # Whole numbers, as exact in floats as in integers.
    sums_us = np.zeros((rounds.size, len(stages)))
    np.add.at(sums_us, (rows[:, np.newaxis], columns), of[times.answered])
    return sums_us, np.bincount(rows, minlength=rounds.size)


def _parts(means: StageMeans, level: float) -> list[StagePart]:
    """The second sample less the first."""
    if not np.isfinite(means.seen).all():
        return []
    ms = means.seen[1] - means.seen[0]
    parts = []
    for place in np.argsort(-np.abs(ms), kind="stable").tolist():
        if abs(ms[place]) < LEAST_PART_MS:
            break
        drawn = means.drawn[1, place] - means.drawn[0, place]
        spread = spread_of(float(ms[place]), drawn, means.rounds)
        lo, hi = spread.bounds(level) if spread else (None, None)
        part = StagePart(stage=means.stages[place], ms=float(ms[place]), lo_ms=lo, hi_ms=hi)
        parts.append(part)
    return parts
