"""What a run knows of its own instrument, in words for a terminal; it judges nothing."""

from harness.record import EngineSummary, Health

UNKNOWN = "unknown"


def errors(health: Health) -> str:
    return (
        f"measurement error p50 {told_ms(health.error_p50_ms)}, "
        f"p99 {told_ms(health.error_p99_ms)}; start lag p99 {told_ms(health.lag_p99_ms)}"
    )


def counts(health: Health) -> str:
    """Every turn that was due, and where it is. What does not add up is not written as equal."""
    parts = [f"finished {health.finished}"]
    parts += [f"failed {health.failed}"] if health.failed else []
    parts += [f"running {health.running}"] if health.running else []
    parts += [f"lost {health.lost}"] if health.lost else []
    whole = health.started == _ended(health)
    return (
        f"due {health.due}"
        f"{' =' if health.due == health.started else ','} started {health.started}"
        f"{' =' if whole else ','} {' + '.join(parts)}"
    )


def account(of: Health | EngineSummary) -> str:
    """The same as a sum: `12,003 started = 11,990 finished + 13 failed + 0 lost`."""
    running = f" + {of.running:,} cut off" if of.running else ""
    return (
        f"{of.started:,} started {'=' if of.started == _ended(of) else 'but'} "
        f"{of.finished:,} finished + {of.failed:,} failed{running} + {of.lost:,} lost"
    )


def engine_sentence(engine: EngineSummary) -> str:
    """One generator process: its account, what it never began, and how it died, if it did."""
    never = engine.due - engine.started
    told = account(engine)
    told += f"; {never:,} more were due of it and never began" if never > 0 else ""
    return f"{told}; it died: {engine.died}" if engine.died else told


def lost(turns: int) -> str:
    """For those who read percentiles."""
    return f"{turns:,} turns were lost with the process that played them: they are in no figure"


def strain(health: Health) -> list[str]:
    """What measuring took out of the process that measured; nothing on the virtual clock."""
    if health.cpu_share is None:
        return []
    spread = f", the most of {health.workers} workers" if health.workers > 1 else ""
    told = [
        f"loop lag p99 {told_ms(health.loop_lag_p99_ms)}, max {told_ms(health.loop_lag_max_ms)}; "
        f"CPU {health.cpu_share:.0%} of a core{spread}"
    ]
    if health.calls is not None:
        told.append(f"{health.calls} calls on {health.connections} new connections")
    return told


def cut_off(running: int) -> str:
    """For those who read percentiles."""
    return f"{running} turns were in flight when the run was cut off: they count as never answered"


def told_ms(ms: float | None, otherwise: str = UNKNOWN) -> str:
    return otherwise if ms is None else f"{ms:.2f} ms"


def _ended(of: Health | EngineSummary) -> int:
    return of.finished + of.failed + of.running + of.lost
