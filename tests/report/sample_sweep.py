"""A plausible sweep over rates, to print and draw; it never measures anything."""

from msgspec.structs import replace

from harness.record import CapacitySummary, QuantileSummary, RunSummary, Step

from .sample import sample_run

LIMIT = 64.0
RATES = (5.0, 10.0, 20.0, 40.0, 80.0, 56.0, 68.0, 62.0, 65.0, 62.0, 65.0)


def sample_sweep(rates: tuple[float, ...] = RATES, slo_ms: float = 8000.0) -> RunSummary:
    """The summary of one strategy that met these rates, one after another."""
    summary, _ = sample_run((), rounds=4, turns=20)
    steps = [_step(round_, rate) for round_, rate in enumerate(rates)]
    held = [step.rate for step in steps if step.sustained]
    failed = [step.rate for step in steps if not step.sustained]
    capacity = CapacitySummary(
        slo_ms=slo_ms,
        quantile=0.99,
        sustained_rate=max(held, default=None),
        failed_rate=min(failed, default=None),
        confirmed=True,
        steps=steps,
    )
    return replace(summary, capacity=capacity, effects=[])


def _step(round_: int, rate: float) -> Step:
    held = rate < LIMIT
    return Step(
        round=round_,
        rate=rate,
        completed_rate=min(rate, LIMIT),
        due=1000,
        finished=1000,
        failed=0,
        growth_per_s=max(0.0, rate - LIMIT),
        growth_lo_per_s=max(0.0, rate - LIMIT),
        quantiles=[_slower(q, ms, rate) for q, ms in ((0.5, 2700), (0.95, 3900), (0.99, 4800))],
        sustained=held,
        because=[] if held else ["the turns in flight pile up"],
    )


def _slower(quantile: float, ms: float, rate: float) -> QuantileSummary:
    ms *= (1 + 0.6 * (rate / LIMIT) ** 6) * (1 + 3 * max(0.0, rate / LIMIT - 1))
    return QuantileSummary(
        quantile=quantile, ms=ms, lo_ms=0.94 * ms, hi_ms=1.08 * ms, effective_turns=300.0
    )
