"""Held against its law: what the mock means and what this machine adds are judged apart."""

import httpx
import numpy as np
import pytest

from harness.calibrate.check import Timed, check, sample
from harness.clock import VirtualClock, run
from harness.laws import Law, Lognormal
from harness.record import FloatArray

LAW = Lognormal(0.3, 0.8)


def drawn(law: Law, n: int = 600, seed: int = 1) -> FloatArray:
    return np.array([law.quantile(u) for u in np.random.default_rng(seed).random(n).tolist()])


def timed(
    told: FloatArray | None, seen: FloatArray, *, error_s: float = 0.0005, failed: int = 0
) -> Timed:
    return Timed("flat", "overhead", LAW, told, seen, np.full(seen.size, error_s), failed)


def test_what_is_meant_and_seen_by_the_law_passes() -> None:
    told = drawn(LAW)
    found = check(timed(told, told + 0.0005))
    assert (found.verdict, found.because) == ("PASS", "")
    assert found.told is not None and found.told.p > 0.05
    assert found.error_p50 == pytest.approx(0.0005)


def test_a_mock_that_tells_nothing_apart_is_judged_by_what_was_seen() -> None:
    assert check(timed(None, drawn(LAW))).verdict == "PASS"
    assert check(timed(None, drawn(LAW.times(1.3)))).verdict == "DOES NOT HOLD"


def test_what_is_told_in_microseconds_is_held_as_that() -> None:
    law = Lognormal(0.0005, 0.000502)
    told = np.round(drawn(law), 6)
    found = check(Timed("flat", "overhead", law, told, told, np.zeros(told.size), 0))
    assert found.verdict == "PASS"


@pytest.mark.parametrize("law", [LAW.times(1.2), Lognormal(0.3, 1.2)])
def test_a_mock_that_means_something_else_does_not_hold(law: Lognormal) -> None:
    found = check(timed(drawn(law), drawn(law)))
    assert found.verdict == "DOES NOT HOLD" and "means to take" in found.because


def test_a_machine_that_adds_much_is_not_the_mocks_fault() -> None:
    told = drawn(LAW)
    found = check(timed(told, told + 0.02, error_s=0.02))
    assert found.verdict == "CANNOT TELL" and "it means to take the right times" in found.because


def test_answers_that_are_late_without_a_known_error_do_not_hold() -> None:
    told = drawn(LAW)
    found = check(timed(told, told * 1.5))
    assert found.verdict == "DOES NOT HOLD" and found.because.startswith("p50 was seen")


@pytest.mark.parametrize(
    ("n", "failed", "because"),
    [
        (300, 0, "300 calls are too few to tell p99"),
        (600, 30, "30 of 630 calls had no whole answer"),
        (0, 600, "600 of 600 calls had no whole answer"),
    ],
)
def test_too_few_answers_tell_nothing(n: int, failed: int, because: str) -> None:
    times = drawn(LAW, n)
    found = check(timed(times if n else None, times, failed=failed))
    assert (found.verdict, found.because) == ("CANNOT TELL", because)


def test_calls_are_sent_at_their_time_whatever_became_of_those_before() -> None:
    clock, arrived = VirtualClock(), list[float]()

    async def slow(request: httpx.Request) -> httpx.Response:
        arrived.append(clock.now())
        await clock.sleep_until(clock.now() + 1.0)
        return httpx.Response(200)

    async def story() -> list[float]:
        requests = [httpx.Request("GET", "http://mock/") for _ in range(30)]
        took = await sample(httpx.MockTransport(slow), clock, requests, per_s=100.0)
        return [one.end - one.start for one in took]

    assert run("virtual", story()) == pytest.approx([1.0] * 30)
    warm, measured = arrived[:20], arrived[20:]
    assert warm == [0.0] * 20
    assert measured == pytest.approx([1 + n / 100 for n in range(30)])
