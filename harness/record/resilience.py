"""What faults cost each strategy, as it stands in run.json."""

import msgspec


class FaultCost(msgspec.Struct, frozen=True, kw_only=True):
    """The turns of one strategy that one kind of fault struck, whatever else did. Those that failed
    count as slower than any; a time is null where it is one of these, and below the n that it
    needs."""

    variant: str
    fault: str
    strikes: int
    turns: int
    p50_ms: float | None
    p95_ms: float | None
    calls_per_turn: float
    failed: int
    reversed: int


class ResilienceSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One strategy. `amplification` is calls a turn over calls a turn that nothing struck."""

    variant: str
    every: int = 1
    """Only the turns of conversations whose number it divides are told of."""
    turns: int
    struck_turns: int
    clean_p50_ms: float | None
    clean_p95_ms: float | None
    clean_calls_per_turn: float
    calls_per_turn: float
    amplification: float | None
    wasted_calls_per_turn: float
    """Calls that brought nothing: those that failed or were refused, sessions that nobody used,
    and confirmations that nobody read."""
    faults: list[FaultCost]
