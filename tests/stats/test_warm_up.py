"""Was the warm-up long enough: an alarm that a slow start sets off, and noise rarely does."""

import numpy as np
import pytest

from harness.record import FloatArray, FlowRow
from harness.stats.strategies import cells_of
from harness.stats.warm_up import FALSE_ALARM, mser5, transient, transients
from tests.stats.by_hand import BASE, WARM, columns, flow, flows

RNG = np.random.default_rng


def as_defined(series: list[float]) -> int:
    """MSER-5 written as its definition says it."""
    batches = [float(np.mean(series[n : n + 5])) for n in range(0, len(series) // 5 * 5, 5)]
    k = len(batches)
    errors = []
    for cut in range(k // 2 + 1):
        rest = batches[cut:]
        mean = sum(rest) / len(rest)
        errors.append(sum((one - mean) ** 2 for one in rest) / len(rest) ** 2)
    return 5 * errors.index(min(errors))


@pytest.mark.parametrize("seed", range(20))
def test_mser5_is_what_its_definition_says(seed: int) -> None:
    rng = RNG(seed)
    series = rng.normal(size=rng.integers(20, 200)) + np.exp(-np.arange(1.0)) * seed
    series[: seed * 2] += 2.0
    assert mser5(series) == as_defined(series.tolist())


def test_mser5_cuts_a_step_where_it_ends() -> None:
    series = np.concatenate([np.full(50, 3.0), RNG(1).normal(1, 0.1, 450)])
    assert mser5(series) == 50


def test_mser5_cuts_at_most_half() -> None:
    assert mser5(np.linspace(1, 0, 1000)) == 500


@pytest.mark.parametrize("n", [0, 1, 19])
def test_mser5_says_nothing_of_too_few(n: int) -> None:
    assert mser5(np.arange(n, dtype=np.float64)) == 0


def test_a_series_without_any_noise_has_no_transient_unless_it_steps() -> None:
    flat = np.ones(500)
    stepped = np.concatenate([np.full(25, 2.0), np.ones(475)])
    assert transient(flat, 0.001) == 0
    assert transient(stepped, 0.001) == 25


def test_too_short_a_series_sets_off_no_alarm() -> None:
    assert transient(np.concatenate([np.full(20, 9.0), np.ones(60)]), 0.001) == 0


def slow_start(rounds: int, slow: int, by: float, seed: int = 1) -> list[FlowRow]:
    """40 steady turns a round, those of the first rounds slower."""
    rng = RNG(seed)
    return [
        flow(
            float(rng.lognormal(8, 0.3)) * (by if round_ < slow else 1.0),
            round=round_,
            conversation=n,
            due_s=n / 10,
        )
        for round_ in range(rounds)
        for n in range(40)
    ]


def alarms(turns: list[FlowRow]) -> dict[str, int]:
    found = columns(turns).turns
    return transients(found, cells_of(found, [BASE, WARM]))


@pytest.mark.parametrize("seed", range(5))
def test_a_slow_start_of_the_first_rounds_sets_off_the_alarm(seed: int) -> None:
    found = alarms(slow_start(20, 2, 1.5, seed))
    assert list(found) == ["base"]
    assert found["base"] == pytest.approx(80, abs=15)


def test_the_order_of_the_rows_does_not_matter() -> None:
    turns = slow_start(20, 2, 1.5)
    assert alarms(turns[::-1]) == alarms(turns) != {}


def test_turns_that_opened_a_session_or_failed_do_not_count() -> None:
    steady = slow_start(20, 0, 1.0)
    cold = [flow(9e4, round=0, conversation=100 + n, cold=True) for n in range(60)]
    lost = [flow(9e4, round=0, conversation=200 + n, outcome="unknown") for n in range(60)]
    assert alarms(steady) == alarms(steady + cold + lost) == {}


def test_a_turn_that_took_no_time_breaks_nothing() -> None:
    assert alarms(flows([0.0] * 400)) == {}


def autocorrelated(rng: np.random.Generator, n: int, phi: float) -> FloatArray:
    noise = rng.normal(size=n) * np.sqrt(1 - phi**2)
    series = np.empty(n)
    series[0] = rng.normal()
    for i in range(1, n):
        series[i] = phi * series[i - 1] + noise[i]
    return series


@pytest.mark.parametrize(("phi", "runs", "most"), [(0.0, 400, 8), (0.9, 150, 6)])
def test_noise_alone_rarely_sets_it_off(phi: float, runs: int, most: int) -> None:
    rng = RNG(7)
    found = sum(transient(autocorrelated(rng, 1000, phi), 0.001) > 0 for _ in range(runs))
    assert found <= most


@pytest.mark.slow
@pytest.mark.parametrize(
    ("phi", "rounds_sd", "share"), [(0, 0, 0.007), (0.9, 0, 0.013), (0.9, 0.16, 0.013)]
)
def test_false_alarms_are_as_rare_as_said(phi: float, rounds_sd: float, share: float) -> None:
    rng = RNG(11)
    runs = 3000
    found = 0
    for _ in range(runs):
        rounds = np.repeat(rng.normal(size=20) * rounds_sd, 50)
        found += transient(0.5 * autocorrelated(rng, 1000, phi) + rounds, FALSE_ALARM / 2) > 0
    print(f"phi {phi}, rounds sd {rounds_sd}: {found} of {runs}")
    assert found / runs <= share
