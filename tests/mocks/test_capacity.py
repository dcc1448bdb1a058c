"""What a server can take: the queue against a simulation, the bucket against sums, bursts."""

import itertools
from dataclasses import dataclass
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import draws
from mocks.capacity import Bucket, Capacity, Outages, Rounds, Turned
from mocks.figures import Limits, Outage

NO_LUCK = 1.0
"""A draw that no burst refuses."""


def limits(**of: float) -> Limits:
    return msgspec.structs.replace(Limits.none(), **of)


# Slots and their queue

# Whole milliseconds in whole seconds' reach: sums of them are exact enough to compare.
gaps_ms = st.lists(st.integers(0, 500), min_size=1, max_size=40)
works_ms = st.lists(st.integers(1, 2000), min_size=40, max_size=40)


def simulated_waits(arrivals_ms: list[int], services_ms: list[int], slots: int) -> list[int]:
    """First come, first served, by stepping through every millisecond."""
    waiting: list[int] = []
    busy_until: list[int] = []
    waits = {}
    for now in itertools.count():
        busy_until = [end for end in busy_until if end > now]
        waiting += [n for n, when in enumerate(arrivals_ms) if when == now]
        while waiting and len(busy_until) < slots:
            call = waiting.pop(0)
            waits[call] = now - arrivals_ms[call]
            busy_until.append(now + services_ms[call])
        if len(waits) == len(arrivals_ms):
            return [waits[n] for n in range(len(arrivals_ms))]
    raise AssertionError


@settings(max_examples=40, deadline=None)
@given(gaps_ms, works_ms, st.integers(1, 4))
def test_the_wait_for_a_slot_is_that_of_a_queue_which_serves_in_order(
    gaps: list[int], works: list[int], slots: int
) -> None:
    arrivals = list(itertools.accumulate(gaps))
    capacity = Capacity(1, "any", limits(slots=slots))
    waits = [
        capacity.wait_s(when / 1e3, work / 1e3) for when, work in zip(arrivals, works, strict=False)
    ]
    expected = simulated_waits(arrivals, works[: len(arrivals)], slots)
    assert [round(wait * 1e3, 3) for wait in waits] == expected


@settings(max_examples=40, deadline=None)
@given(gaps_ms, works_ms, st.integers(1, 3), st.integers(0, 3))
def test_never_more_wait_than_the_queue_has_room_for(
    gaps: list[int], works: list[int], slots: int, queue: int
) -> None:
    capacity = Capacity(1, "any", limits(slots=slots, queue=queue))
    starts: list[float] = []
    for when, work in zip(itertools.accumulate(gaps), works, strict=False):
        now = when / 1e3
        waiting = sum(start > now + 1e-9 for start in starts)
        turned = capacity.turned_away(now, NO_LUCK)
        if turned:
            assert (turned.why, waiting) == ("overloaded", queue)
            assert turned.retry_after_s > 0
            continue
        starts.append(now + capacity.wait_s(now, work / 1e3))
        assert sum(start > now + 1e-9 for start in starts) <= queue


def test_without_limits_nobody_waits_and_nobody_is_refused() -> None:
    capacity = Capacity(1, "any", None)
    assert all(capacity.turned_away(0.0, 0.0, 10**9) is None for _ in range(1000))
    assert {capacity.wait_s(0.0, 100.0) for _ in range(1000)} == {0.0}
    assert (capacity.requests(0.0), capacity.tokens(0.0)) == (None, None)


def test_a_server_remembers_no_more_slots_than_were_busy_at_once() -> None:
    """Serving for days takes no more memory than serving at its busiest."""
    capacity = Capacity(1, "any", limits(slots=1000))
    for n in range(5000):
        capacity.wait_s(float(n), 2.5)
    assert len(capacity._free_at) == 3


# Rate limits


@dataclass(slots=True)
class Exact:
    """The reference: the same bucket in exact fractions."""

    limit: int
    window: Fraction
    level: Fraction
    at: Fraction

    def now(self, when: Fraction) -> Fraction:
        return min(Fraction(self.limit), self.level + (when - self.at) * self.limit / self.window)


@settings(max_examples=50, deadline=None)
@given(
    st.integers(1, 50),
    st.integers(1, 60),
    st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 60)), min_size=1, max_size=40),
)
def test_a_bucket_holds_what_was_not_taken_and_fills_evenly(
    limit: int, window_s: int, calls: list[tuple[int, int]]
) -> None:
    bucket = Bucket(limit, float(window_s))
    exact = Exact(limit, Fraction(window_s), Fraction(limit), Fraction(0))
    now_ms = 0
    for gap_ms, amount in calls:
        now_ms += gap_ms
        now, when = now_ms / 1e3, Fraction(now_ms, 1000)
        level = exact.now(when)
        missing = max(Fraction(0), min(amount, limit) - level) / (Fraction(limit) / window_s)
        assert bucket.full_enough_in_s(now, amount) == pytest.approx(float(missing), abs=1e-6)
        room = bucket.headroom(now)
        assert room.limit == limit
        assert abs(room.remaining - level) < 1 + 1e-6
        assert 0 <= room.remaining <= limit
        taken = bucket.takes(now, amount)
        if abs(level - amount) > Fraction(1, 10**6):  # A tie may fall either way by a last bit.
            assert taken is (level >= amount)
        exact.level, exact.at = level - amount if taken else level, when


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 1000), st.floats(0.1, 3600), st.integers(1, 1000), st.floats(0, 1e6))
def test_who_comes_back_when_told_to_is_let_in(
    limit: int, window_s: float, amount: int, now: float
) -> None:
    amount = min(amount, limit)
    bucket = Bucket(limit, window_s)
    assert bucket.takes(now, limit)
    again = now + bucket.full_enough_in_s(now, amount)
    # A time of day has fewer digits than the bucket: the clock's next tick is late enough.
    assert bucket.takes(again + 1e-6, amount)


def test_the_limit_that_was_reached_is_named_and_takes_nothing() -> None:
    capacity = Capacity(1, "any", limits(requests=3, tokens=100, window_s=60.0))
    assert capacity.turned_away(0.0, NO_LUCK, 90) is None
    assert capacity.turned_away(0.0, NO_LUCK, 11) == Turned("rate_limited", 0.6, "tokens")
    assert capacity.turned_away(0.0, NO_LUCK, 10) is None
    assert capacity.turned_away(0.0, NO_LUCK, 0) is None
    assert capacity.turned_away(0.0, NO_LUCK, 0) == Turned("rate_limited", 20.0, "requests")
    requests, tokens = capacity.requests(0.0), capacity.tokens(0.0)
    assert requests and (requests.limit, requests.remaining, requests.reset_s) == (3, 0, 60.0)
    assert tokens and (tokens.limit, tokens.remaining) == (100, 0)


@given(st.floats(0, 1e4, exclude_min=True), st.integers(1, 1000))
def test_who_asks_for_too_many_tokens_leaves_the_requests_as_they_were(
    now: float, limit: int
) -> None:
    asked, spared = (
        Capacity(1, "any", limits(requests=limit, tokens=10, window_s=77.7)) for _ in range(2)
    )
    for capacity in (asked, spared):
        assert capacity.turned_away(now / 3, NO_LUCK, 0) is None
    asked.turned_away(now, NO_LUCK, 11)
    assert asked.requests(now) == spared.requests(now)


# Bursts of overload

BURSTY = limits(overload_every_s=100.0, overload_lasts_s=10.0, overload_share=0.5)


def refused(capacity: Capacity, round_: int, luck: float = 0.0) -> list[int]:
    """The tenths of a second of ten minutes in which a call with this luck is refused."""
    return [
        tenth
        for tenth in range(6000)
        if capacity.turned_away(1000.0 + tenth / 10, luck, 0, round_) is not None
    ]


def test_each_period_has_one_burst_of_its_length_at_a_place_of_its_own() -> None:
    hit = refused(Capacity(1, "any", BURSTY), 0)
    by_period = [[tenth for tenth in hit if tenth // 1000 == period] for period in range(6)]
    for burst in by_period:
        assert 99 <= len(burst) <= 101
        assert burst == list(range(burst[0], burst[-1] + 1))
    assert len({burst[0] % 1000 for burst in by_period}) == 6


def test_a_burst_refuses_its_share_of_the_calls() -> None:
    lucks = [draws.uniform(3, n) for n in range(4000)]
    capacity = Capacity(1, "any", limits(
        overload_every_s=1.0, overload_lasts_s=1.0, overload_share=0.3
    ))  # fmt: skip
    shares = [capacity.turned_away(5.0, luck) is not None for luck in lucks]
    assert sum(shares) / 4000 == pytest.approx(0.3, abs=0.03)
    assert refused(Capacity(1, "any", BURSTY), 0, luck=0.51) == []


def test_the_seed_the_provider_and_the_round_place_the_bursts_and_nothing_else() -> None:
    usual = refused(Capacity(1, "any", BURSTY), 0)
    assert refused(Capacity(1, "any", BURSTY), 0) == usual
    for other in (
        refused(Capacity(2, "any", BURSTY), 0),
        refused(Capacity(1, "other", BURSTY), 0),
        refused(Capacity(1, "any", BURSTY), 1),
    ):
        assert other != usual


def test_a_burst_counts_from_the_first_call_of_its_round_on_any_clock() -> None:
    early, late = Capacity(1, "any", BURSTY), Capacity(1, "any", BURSTY)
    for capacity, origin in ((early, 0.0), (late, 87_654.25)):
        assert capacity.turned_away(origin, NO_LUCK, 0, 3) is None
    for tenth in range(2000):
        since = tenth / 8
        hit = [
            capacity.turned_away(origin + since, 0.0, 0, 3) is not None
            for capacity, origin in ((early, 0.0), (late, 87_654.25))
        ]
        assert hit[0] is hit[1]


def test_a_burst_longer_than_its_period_never_ends() -> None:
    always = limits(overload_every_s=1.0, overload_lasts_s=5.0)
    assert len(refused(Capacity(1, "any", always), 0)) == 6000


# Outages

DOWN = [Outage("openai", 10.0, 5.0), Outage("openai", 30.0, 1.0), Outage("gemini", 0.0, 1e6)]


@pytest.mark.parametrize("origin", [0.0, 4321.5])
def test_an_outage_counts_from_the_first_call_of_its_round(origin: float) -> None:
    outages = Outages(DOWN, "openai", began=0.0)
    down = [since for since in range(40) if outages.down(7, origin + since)]
    assert down == [10, 11, 12, 13, 14, 30]
    assert [since for since in range(40) if outages.down(8, origin + 100 + since)] == down


def test_clients_of_no_run_count_from_when_the_mock_began() -> None:
    outages = Outages(DOWN, "openai", began=50.0)
    assert not outages.down(-1, 55.0)
    assert outages.down(-1, 61.0)


def test_another_providers_outage_is_none_of_ours() -> None:
    assert not any(Outages(DOWN, "deepseek", 0.0).down(0, float(since)) for since in range(40))


def test_a_round_begins_with_its_first_call_and_not_with_later_ones() -> None:
    rounds = Rounds(0.0)
    assert [rounds.since_s(1, when) for when in (5.0, 6.0, 9.5)] == [0.0, 1.0, 4.5]
    assert rounds.since_s(2, 9.5) == 0.0
