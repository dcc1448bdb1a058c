"""From samples to the laws of a profile's figures, each with what is known of its fit; it neither
reads a file nor knows a profile.

Of a payment these are the time of its transaction, of opening a session and of fetching a key. Of
a model they are its first token and the time for each further one, where streams were timed and
their tokens counted; else as much of it as there is. What a gateway adds cannot be told from calls
through it alone, and is never guessed at.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.calibrate.samples import Sample
from harness.record import FloatArray
from harness.stats.fit import LEAST_VALUES, Fit, fit

Figure = Literal["overhead", "session", "key", "latency"]
Times = Literal["transaction", "session", "key", "first token", "whole answer", "time a token"]

USUAL: Mapping[str, Figure] = {
    "": "overhead",
    "pay": "overhead",
    "session": "session",
    "key": "key",
}
"""What the stages of our own flows are figures of, where a payment provider answers them; "" is a
stage that nobody named."""

STREAMED_S = 0.002
"""An answer whose first token comes so long before its end came as a stream."""
RATED_TOKENS, RATED_S = 10, 0.05
"""Shorter streams say little of a rate: their few pieces come when the network lets them."""
SHORTEST_S, LONGEST_S = 1e-6, 86_400.0
"""No call takes less or more: such a time is another's mistake, and no profile could hold it."""

FARTHEST = 1e9
"""Times as long as the median no 99th percentile is."""

_TIMES: Mapping[Figure, Times] = {"overhead": "transaction", "session": "session", "key": "key"}


class Unfit(Exception):
    """No figure can be told from these samples; the text is one line, with the mend."""


@dataclass(frozen=True, slots=True)
class Part:
    """One law, of seconds, and which stages it was taken from."""

    times: Times
    stages: tuple[str, ...]
    fit: Fit


@dataclass(frozen=True, slots=True)
class Parts:
    """`notes` are sentences on what was left out, and why."""

    found: tuple[Part, ...]
    notes: tuple[str, ...] = ()

    def of(self, times: Times) -> Part | None:
        return next((part for part in self.found if part.times == times), None)


def chosen(samples: Iterable[Sample], provider: str | None, model: str | None) -> list[Sample]:
    """Those of the provider and model; a file that names none has only one, which is meant. Raises
    Unfit where there are several and none is asked for, or none that is."""
    meant = [
        sample
        for sample in samples
        if (not provider or sample.provider in ("", provider))
        and (not model or sample.model in ("", model))
    ]
    there = Counter((provider or one.provider, model or one.model) for one in meant)
    if len(there) > 1:
        raise Unfit(f"several are in there: name one with --provider or --model; {_listed(there)}")
    if not meant:
        every = Counter((sample.provider, sample.model) for sample in samples)
        raise Unfit(f"none of the calls is one of those; there are {_listed(every)}")
    return meant


def each_draw_once(samples: Sequence[Sample]) -> tuple[list[Sample], int]:
    """A run plays every strategy under the same weather, so that one draw of a mock is seen again
    and again: without the repetitions, and how many they were."""
    once = {
        (one.provider, one.model, one.stage, one.first_token_s, one.total_s): one for one in samples
    }
    return list(once.values()), len(samples) - len(once)


def payment_parts(
    samples: Sequence[Sample], figure_of: Mapping[str, Figure] = {}, seed: int = 1
) -> Parts:
    """By stage; `figure_of` says what is meant where it is not plain. Raises Unfit."""
    known = {**USUAL, **figure_of}
    stages = sorted({sample.stage for sample in samples})
    strange = [stage for stage in stages if stage not in known]
    if len(strange) == 1 and not any(known.get(stage) == "overhead" for stage in stages):
        known[strange.pop()] = "overhead"
    parts, notes = [], []
    for figure, times in _TIMES.items():
        of = [sample for sample in samples if known.get(sample.stage) == figure]
        if not of:
            continue
        warm, said = _warm(of, times)
        notes += said
        if len(warm) < LEAST_VALUES:
            notes.append(f"{times}: {len(warm)} calls are too few for a law")
            continue
        parts.append(_part(times, warm, _totals(warm), seed))
    if not any(part.times == "transaction" for part in parts):
        raise Unfit(_no_transaction(stages, notes))
    if strange:
        notes.append(f"left out, as nothing says what they are: {', '.join(strange)}")
    return Parts(tuple(parts), tuple(notes))


def model_parts(samples: Sequence[Sample], stages: Sequence[str] = (), seed: int = 1) -> Parts:
    """Of all its calls, or those of some stages. Raises Unfit."""
    asked = [sample for sample in samples if not stages or sample.stage in stages]
    warm, notes = _warm(asked, "first token")
    if len(warm) < LEAST_VALUES:
        raise Unfit(f"{len(warm)} calls are too few for a law; {LEAST_VALUES} are the least")
    streamed = [one for one in warm if one.total_s - one.first_token_s >= STREAMED_S]
    if len(streamed) < LEAST_VALUES:
        told = "no streams were timed: the whole answer's time stands for the first token's"
        return Parts((_part("whole answer", warm, _totals(warm), seed),), (*notes, told))
    if len(streamed) < len(warm):
        notes.append(f"{len(warm) - len(streamed)} calls were no streams, and are left out")
    first = np.array([one.first_token_s for one in streamed])
    parts = [_part("first token", streamed, first, seed)]
    rated = _rated(streamed)
    if len(rated) < LEAST_VALUES:
        notes.append("too few answers had their tokens counted: no rate is told")
    else:
        parts.append(_part("time a token", rated, _token_s(rated), seed))
    return Parts(tuple(parts), tuple(notes))


def _part(times: Times, samples: Sequence[Sample], seconds: FloatArray, seed: int) -> Part:
    stages = tuple(sorted({sample.stage for sample in samples}))
    found = fit(seconds, seed)
    if found.law.quantile(0.99) > FARTHEST * found.law.quantile(0.5):
        raise Unfit(
            f"{times}: calls of {seconds.min():.2g} to {seconds.max():.2g} s follow no law: are "
            "all of them of one kind, and in one unit?"
        )
    return Part(times, stages, found)


def _warm(samples: Sequence[Sample], times: Times) -> tuple[list[Sample], list[str]]:
    """Without those whose time holds the opening of a connection, where enough others are left, and
    without those whose time cannot be."""
    timed = [one for one in samples if SHORTEST_S <= one.first_token_s <= one.total_s <= LONGEST_S]
    notes = []
    if strange := len(samples) - len(timed):
        notes.append(f"{times}: left out as of no time at all, or over a day: {strange}")
    warm = [one for one in timed if not one.fresh]
    fresh = len(timed) - len(warm)
    if fresh and len(warm) >= max(LEAST_VALUES, fresh):
        notes.append(f"{times}: {fresh} calls on connections just opened are left out")
        return warm, notes
    if fresh:
        notes.append(f"{times}: {fresh} of {len(timed)} calls hold the opening of a connection")
    return timed, notes


def _totals(samples: Sequence[Sample]) -> FloatArray:
    return np.array([one.total_s for one in samples])


def _rated(streamed: Sequence[Sample]) -> list[Sample]:
    counted = [
        one
        for one in streamed
        if 0 < (one.completion_tokens or 0) * SHORTEST_S <= one.total_s - one.first_token_s
    ]
    long = [
        one
        for one in counted
        if (one.completion_tokens or 0) >= RATED_TOKENS
        and one.total_s - one.first_token_s >= RATED_S
    ]
    return long if len(long) >= LEAST_VALUES else counted


def _token_s(rated: Sequence[Sample]) -> FloatArray:
    """From the first token on, over all tokens and not those after the first: so a mock counts
    them, whose whole answers are then as long as those that were timed."""
    return np.array(
        [(one.total_s - one.first_token_s) / (one.completion_tokens or 1) for one in rated]
    )


def _no_transaction(stages: Sequence[str], notes: Sequence[str]) -> str:
    if notes:
        return "; ".join(notes)
    there = ", ".join(stages)
    return f"no stage is known to be the payment: name it, as in --stage NAME=overhead, of {there}"


def _listed(there: Mapping[tuple[str, str], int]) -> str:
    return ", ".join(
        f"{provider or 'no provider'}{model and f' {model}'} ({count:,})"
        for (provider, model), count in sorted(there.items())
    )
