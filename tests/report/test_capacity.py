"""A capacity as it is printed: the sentence claims what was found and no more, and all fits."""

import io
from collections.abc import Sequence

import msgspec
import pytest
from rich.console import Console

from harness.record import CapacitySummary, QuantileSummary, RunSummary, Step
from harness.report.capacity import capacity_sentence, print_capacity
from tests.report.sample import sample_run

SAMPLE, _ = sample_run(rounds=4, turns=10)
PARAMETERS: dict[str, float | int | str] = {
    "strategy": "prewarm+token_cache",
    "limits": "8 calls at once",
    "think_scale": 0.02,
    "settle_s": 9.0,
    "duration_s": 60.0,
}


def _point(quantile: float, ms: float | None, worth: float = 1000.0) -> QuantileSummary:
    """Known within a tenth; infinite where it is None, unknown where it is a p99 worth little."""
    known = ms is not None and (worth > 400 or quantile < 0.99)
    return QuantileSummary(
        quantile=quantile,
        ms=ms if known else None,
        lo_ms=0.9 * ms if known and ms is not None else None,
        hi_ms=1.1 * ms if known and ms is not None else None,
        effective_turns=worth,
    )


def _step(
    rate: float, p99_ms: float | None, because: Sequence[str] = (), worth: float = 1000.0
) -> Step:
    scaled = [None if p99_ms is None else p99_ms * share for share in (0.5, 0.8, 1.0)]
    return Step(
        round=0,
        rate=rate,
        completed_rate=rate,
        due=1000,
        finished=1000,
        failed=0,
        growth_per_s=0.0,
        growth_lo_per_s=-0.1,
        quantiles=[_point(q, ms, worth) for q, ms in zip((0.5, 0.95, 0.99), scaled, strict=True)],
        sustained=not because,
        because=list(because),
    )


STEPS = [
    _step(10.0, 5000.0),
    _step(20.0, None, ["100% of turns took over 8 s"]),
    _step(14.1, 7000.0, ["n too small for p99: worth 200 independent turns, it takes 368"], 200.0),
    _step(14.1, 6800.0),
    _step(15.5, 9100.0, ["p99 may be 10 s, over 8 s"]),
]


def _run(
    sustained: float | None,
    failed: float | None,
    confirmed: bool = True,
    steps: Sequence[Step] = STEPS,
    **parameters: str,
) -> RunSummary:
    found = CapacitySummary(
        slo_ms=8000.0,
        quantile=0.99,
        sustained_rate=sustained,
        failed_rate=failed,
        confirmed=confirmed,
        steps=list(steps),
    )
    return msgspec.structs.replace(
        SAMPLE, capacity=found, variants=[], effects=[], parameters={**PARAMETERS, **parameters}
    )


def _printed(run: RunSummary, encoding: str = "utf-8") -> list[str]:
    out = io.TextIOWrapper(io.BytesIO(), encoding)
    print_capacity(run, "results/run", Console(file=out, width=80, color_system=None))
    out.seek(0)
    return [line.rstrip() for line in out.read().splitlines()]


@pytest.mark.parametrize(
    ("run", "told"),
    [
        (_run(14.1, 15.5), "sustains 14.1 turns/s within 8 s at p99; fails at 15.5"),
        (
            _run(14.1, 15.5, False),
            "sustains 14.1 turns/s within 8 s at p99; fails at 15.5; not confirmed by a second "
            "measurement of both",
        ),
        (
            _run(1000.0, None, False, limits="none"),
            "capacity not found up to 1000 turns/s, which it sustains within 8 s at p99: the mocks "
            "have no limit; give them one with --capacity",
        ),
        (
            _run(1000.0, None, False),
            "capacity not found up to 1000 turns/s, which it sustains within 8 s at p99: any limit "
            "lies beyond; set one with --capacity, or go higher with --to",
        ),
        (
            _run(None, 1.0, False),
            "capacity not found: already 1 turns/s fail to be within 8 s at p99",
        ),
        (_run(None, None, False, []), "capacity not found: no step was measured"),
    ],
)
def test_the_sentence_claims_what_was_found(run: RunSummary, told: str) -> None:
    assert capacity_sentence(run) == told
    assert told in " ".join(_printed(run))


def test_the_steps_are_in_order_of_rate_with_their_intervals_and_reasons() -> None:
    lines = _printed(_run(14.1, 15.5))
    table = lines[lines.index("Response time by rate, ms, with 95% intervals") + 1 :]
    rows = [" ".join(line.split()) for line in table[2:7]]
    assert rows == [
        "10 yes 2500 [2250, 2750] 4000 [3600, 4400] 5000 [4500, 5500]",
        "14.1 ? 3500 [3150, 3850] 5600 [5040, 6160] n too small",
        "14.1 yes 3400 [3060, 3740] 5440 [4896, 5984] 6800 [6120, 7480]",
        "15.5 no 4550 [4095, 5005] 7280 [6552, 8008] 9100 [8190, 10010]",
        "20 no never never never",
    ]
    reasons = lines[lines.index("Why not") + 1 :]
    assert reasons[1].split("  ") == ["15.5", "p99 may be 10 s, over 8 s"]


def test_the_curve_shows_each_rate_once_against_the_service_level() -> None:
    lines = _printed(_run(14.1, 15.5))
    curve = lines[-7:-3]
    assert [line.split()[0] for line in curve] == ["10", "14.1", "15.5", "20"]
    limit = curve[0].index("│")
    dots = [line.find("●") for line in curve]
    assert 0 < dots[0] < dots[1] < limit < dots[2]
    assert dots[3] == -1 and "never" in curve[3]


def test_without_those_characters_it_is_drawn_in_ascii() -> None:
    told = "\n".join(_printed(_run(14.1, 15.5), "ascii"))
    assert told.isascii()
    assert "--o--" in told


@pytest.mark.parametrize("p99_ms", [0.04, 5.0, 60_000.0, 3_600_000.0])
def test_figures_of_any_size_fit_80_columns_uncut(p99_ms: float) -> None:
    steps = [_step(rate, p99_ms, ["one " * 40]) for rate in (0.001, 12.3, 99_900.0)]
    lines = _printed(_run(12.3, 99_900.0, steps=steps))
    assert all(len(line) <= 80 for line in lines)
    assert "…" not in "".join(lines)


def test_a_run_that_cannot_be_believed_says_so_and_where_it_is() -> None:
    run = msgspec.structs.replace(
        _run(14.1, None, False), valid=False, invalid_because=["interrupted after 3 rounds"]
    )
    assert _printed(run)[-2:] == ["INVALID  interrupted after 3 rounds", "results  results/run"]


def test_a_rarer_percentile_takes_the_place_of_p99() -> None:
    step = msgspec.structs.replace(
        STEPS[0], quantiles=[_point(q, 100.0, 9000.0) for q in (0.5, 0.95, 0.99, 0.999)]
    )
    run = _run(10.0, None, False, [step])
    assert run.capacity is not None
    rare = msgspec.structs.replace(run.capacity, quantile=0.999)
    lines = _printed(msgspec.structs.replace(run, capacity=rare))
    assert "turns/s  kept" in "\n".join(lines)
    header = next(line for line in lines if line.startswith("turns/s  kept"))
    assert header.split() == ["turns/s", "kept", "p50", "p95", "p99.9"]
