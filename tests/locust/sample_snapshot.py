"""A run so far, as the collector would tell it; its figures are made up, and fit together."""

import msgspec

from harness.load.live_figures import Failure, Moment, Row, SloState, Snapshot, WorkerState

STAGES = {"": 1.0, "intent": 0.4, "session": 0.08, "pay": 0.3, "confirm": 0.22}
PERCENTS = (1, 5, 10, 25, 50, 75, 90, 95, 97, 98, 99, 99.5, 99.9)
STRATEGIES = ("baseline", "prewarm,token_cache")
NOWHERE = "http://nowhere"
REFUSAL = ["the strategy 'nonsense' is unknown: use baseline", "the seed 'x' is no number: use 1"]
"""A host that the form is refused for, and why."""
LONG = "a-host-whose-name-is-as-long-as-names-in-a-cluster-get.example.internal_7c1f0e5d4b"

MET = SloState(text="p95<4s", strategy="baseline", verdict="met", figure=3204.0, count=4210)
MISSED = SloState(
    text="intent p99<900ms", strategy="baseline", verdict="missed", figure=2311.4, count=4210
)
UNDECIDED = SloState(
    text="errors<1%", strategy="baseline", verdict="cannot tell", figure=0.0093, count=4210
)


def so_far(seconds: int = 60, *, strategies: tuple[str, ...] = STRATEGIES) -> Snapshot:
    """A valid run of two workers, so many seconds old."""
    return Snapshot(
        state="running",
        run_id="20260301-101502-ab12",
        scenario="conversation",
        strategies=list(strategies),
        targets="staging",
        seed=7,
        elapsed_s=seconds + 0.4,
        rows=[
            row(name, stage, seconds, 1 - 0.25 * n)
            for n, name in enumerate(strategies)
            for stage in STAGES
        ],
        moments=[moment(t) for t in range(1, seconds + 1)],
        workers=[worker("w_0", seconds), worker("w_1", seconds)],
        slos=[],
        failures=[],
        valid=True,
        reasons=[],
        stored=False,
    )


def row(strategy: str, stage: str, seconds: int, scale: float) -> Row:
    middle = 2400 * scale * STAGES[stage]
    curve = [(float(p), middle * (100 / (100.5 - p)) ** 0.2) for p in PERCENTS]
    at = dict(curve)
    return Row(
        strategy=strategy,
        stage=stage,
        count=70 * seconds,
        failed=0,
        p50_ms=at[50],
        p90_ms=at[90],
        p95_ms=at[95],
        p99_ms=at[99],
        max_ms=at[99.9] * 1.2,
        curve=[(p, ms) for p, ms in curve],
    )


def moment(t_s: int) -> Moment:
    wave = 1 + 0.1 * ((t_s * 7) % 11) / 11
    return Moment(
        t_s=t_s,
        offered=140.0,
        started=140 * t_s,
        finished=140 * t_s - 30,
        failed=0,
        in_flight=30,
        p50_ms=2700 * wave,
        p95_ms=3900 * wave,
        p99_ms=5100 * wave,
    )


def worker(name: str, seconds: int, lost: int = 0) -> WorkerState:
    started = 70 * seconds
    return WorkerState(
        name=name,
        state="lost" if lost else "running",
        due=started,
        started=started,
        finished=started - (lost or 15),
        failed=0,
        running=0 if lost else 15,
        lost=lost,
        why="its engine ended with signal 9" if lost else "",
    )


def one_lost(seconds: int = 60) -> Snapshot:
    """INVALID: a worker is gone, and took turns with it. Every name is as long as names get."""
    reasons = [
        f"worker {LONG} was lost after 41 s: 15 turns that it began are unaccounted for",
        "the generator was late: start lag p99 212.4 ms is more than 5% of the p50",
    ]
    strategies = ("baseline", "prewarm,token_cache,parallel_confirm with a name as long as it gets")
    return msgspec.structs.replace(
        so_far(seconds, strategies=strategies),
        workers=[worker("w_0", seconds), worker(LONG, seconds, lost=15)],
        slos=[MET, MISSED, UNDECIDED],
        failures=[
            Failure(stage="pay", cause="status 503", count=120),
            Failure(stage="intent", cause=f"could not connect to {LONG}:443", count=31),
            Failure(stage="pay", cause="no answer within 10 s", count=7),
        ],
        valid=False,
        reasons=reasons,
    )
