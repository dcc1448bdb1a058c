"""Times of turns as tests lay them out, a stage each in ms; it asserts nothing."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from harness.record import FloatArray, TurnTimes
from harness.stats.critical_path import OWN_TIME

ROUNDS, EACH = 10, 40


def laid_out(
    stages: Mapping[str, FloatArray],
    off: Mapping[str, FloatArray] | None = None,
    *,
    rounds: int = ROUNDS,
    failed: Sequence[int] = (),
    local: Collection[str] = (),
    own_ms: float | FloatArray = 0.0,
) -> TurnTimes:
    """Turns that waited so long in each stage, one after another, dealt out to the rounds in order;
    `off` is what stages did besides that nobody waited for. A turn that failed took as long to.
    Stages are calls, but those that are named as local ones."""
    off = off or {}
    names = sorted({*stages, *off})
    turns = next(iter(stages.values())).size
    none = np.zeros(turns)
    critical_us, off_us = (
        np.array([np.rint(1000 * of.get(name, none)) for name in names] + [none], dtype=np.int64).T
        for of in (stages, off)
    )
    critical_us[:, -1] = np.rint(1000 * np.asarray(own_ms))
    answered = np.ones(turns, dtype=np.bool_)
    answered[list(failed)] = False
    busy_us = critical_us + off_us
    busy_us[:, -1] = 0
    called = np.array([name not in local for name in (*names, OWN_TIME)])
    return TurnTimes(
        round=np.repeat(np.arange(rounds), turns // rounds),
        conversation=np.arange(turns),
        turn=np.zeros(turns, dtype=np.int64),
        answered=answered,
        stages=(*names, OWN_TIME),
        critical_us=critical_us,
        busy_us=busy_us,
        calls=((busy_us > 0) & called).astype(np.int64),
    )


def weather(seed: int = 1, turns: int = ROUNDS * EACH) -> dict[str, FloatArray]:
    """Stages of turns whose rounds differ."""
    rng = np.random.default_rng(seed)
    hour = np.repeat(rng.lognormal(0, 0.1, ROUNDS), turns // ROUNDS)
    return {
        name: ms * hour * rng.lognormal(0, sigma, turns)
        for name, ms, sigma in (("confirm", 1700.0, 0.3), ("intent", 1000.0, 0.2),
                                ("pay", 600.0, 0.05))
    }  # fmt: skip
