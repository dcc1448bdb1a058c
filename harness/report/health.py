"""What a run knows of its own instrument, in words for a terminal; it judges nothing."""

from harness.record import Health

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
    whole = health.started == health.finished + health.failed + health.running
    return (
        f"due {health.due}"
        f"{' =' if health.due == health.started else ','} started {health.started}"
        f"{' =' if whole else ','} {' + '.join(parts)}"
    )


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
