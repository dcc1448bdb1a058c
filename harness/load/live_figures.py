"""A run while it lasts, for whoever watches it: what a page shows once a second.

Its percentiles come from histograms, exact to a thousandth; a stored run has them from its rows.
"""

import msgspec


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A stage of one strategy, or the whole turn where `stage` is empty, from the start of the run.

    A percentile is null where so many failed that it would be one of them."""

    strategy: str
    stage: str
    count: int
    failed: int
    p50_ms: float | None
    p90_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    curve: list[tuple[float, float | None]]
    """Percentiles from 1 to 99.9, each with its ms: the whole distribution."""


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """One second of the run. Percentiles are those of the turns answered in the ten seconds up to
    then, all strategies together."""

    t_s: int
    offered: float
    """Turns/s that the users stood for."""
    started: int
    finished: int
    failed: int
    in_flight: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class WorkerState(msgspec.Struct, frozen=True, kw_only=True):
    """started = finished + failed + running + lost; `running` are in flight while the run lasts."""

    name: str
    state: str
    """running, ended or lost."""
    due: int
    started: int
    finished: int
    failed: int
    running: int
    lost: int
    why: str


class SloState(msgspec.Struct, frozen=True, kw_only=True):
    """`verdict` is met, missed or cannot tell, as things stand; `figure` as in SloSummary."""

    text: str
    strategy: str
    verdict: str
    figure: float | None
    count: int


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    stage: str
    cause: str
    count: int


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The run so far."""

    state: str
    """running, stopping or stored."""
    run_id: str
    scenario: str
    strategies: list[str]
    targets: str
    seed: int
    elapsed_s: float
    rows: list[Row]
    """For each strategy the turn first, then its stages in the order in which they were met."""
    moments: list[Moment]
    """The last ten minutes at most."""
    workers: list[WorkerState]
    slos: list[SloState]
    failures: list[Failure]
    """The most frequent first, twenty at most."""
    valid: bool
    reasons: list[str]
    """Why not, as far as it can be told before the end."""
    stored: bool
    """Whether the folder holds the run, its report and its charts."""
