"""The part of run.json that accounts for a run: its health, failures, promises and engines; it
computes nothing."""

from typing import Literal

import msgspec


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """What a run knows of its own error. A figure is null where nothing could tell it.

    started = finished + failed + running + lost, or the run is invalid; so it is with any lost.
    """

    error_p50_ms: float | None
    """Of calls against the delay that the mock meant, either way."""
    error_p99_ms: float | None
    lag_p50_ms: float | None = None
    """How late turns started."""
    lag_p99_ms: float | None
    due: int
    started: int
    finished: int
    """With an answer; the failed ones are apart."""
    failed: int
    fault: str = ""
    """Which fault of a provider's ended the first of those that failed."""
    running: int = 0
    """In flight when the run was cut off: infinite in every percentile."""
    lost: int = 0
    """Of a generator process that died, or was not heard any more: they have no rows."""
    leaks: int
    loop_lag_p99_ms: float | None = None
    """How late the event loop came to a probe that is due every 10 ms; real clock only."""
    loop_lag_max_ms: float | None = None
    cpu_share: float | None = None
    """Of one core, that a generator process used; the largest of all rounds and processes."""
    workers: int = 1
    """Generator processes side by side."""
    connections: int | None = None
    """Opened during the rounds; every other call went out on a kept one."""
    calls: int | None = None


class FailureSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Calls of one stage that failed for one cause. A call that failed and was made up for is one
    of them; a payment that was declined is none."""

    stage: str
    cause: str
    """The kind of fault, the status, and the provider's own code where it gave one."""
    count: int


class SloSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A promise about response times or failures, and whether it was kept.

    Decided by the whole interval of the figure: "cannot tell" where the limit lies within it.
    """

    text: str
    """As the user wrote it."""
    variant: str
    stage: str = ""
    """Of which calls; empty is the whole turn."""
    quantile: float | None
    """Of the response time; null where it is the share of those that failed."""
    limit: float
    """In ms, or a share."""
    inclusive: bool = False
    """Whether it is kept on the limit too."""
    figure: float | None
    """In ms, or a share; null where it is infinite, or where there is none."""
    lo: float | None
    hi: float | None
    count: int
    """Turns, or calls, that it is taken from."""
    verdict: Literal["met", "missed", "cannot tell"]


class EngineSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One generator process of a run that Locust conducted.

    started = finished + failed + running + lost. `due` is what its share of the schedule asked of
    it, known even where it died.
    """

    name: str
    due: int
    started: int
    finished: int
    failed: int
    running: int
    lost: int
    died: str = ""
    """How, if it did."""
