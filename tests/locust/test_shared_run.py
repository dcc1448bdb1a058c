"""Several engines on one seed, on the virtual clock: whatever their number, they play the same
conversations, at the same times, with the same draws."""

import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from harness.cli.asked import Asked, setup_of
from harness.cli.engine import salt_of
from harness.cli.wiring import Setup, in_process_arms
from harness.clock import VirtualClock, run
from harness.load.arrivals import poisson
from harness.load.engine import boot
from harness.load.live import Live
from harness.load.pipe import Step
from harness.record import FlowRow, SpanRow

STOP_S = 6.0
RATES = [(0.0, 10.0), (2.0, 40.0), (4.0, 10.0)]
"""From when on, turns/s."""

Turn = tuple[FlowRow, list[SpanRow]]


def _setup(strategy: str, scenario: str = "conversation") -> Setup:
    return setup_of(
        Asked(scenario=scenario, strategy=strategy, seed="5", think_scale="0.01", param=["turns=2"])
    )


def _played(setup: Setup, steps: Sequence[Step], run_id: str = "a run") -> list[Turn]:
    """By one engine, with mocks of its own."""
    clock = VirtualClock()
    told: list[Turn] = []

    async def main() -> None:
        arms = in_process_arms(setup, 0, clock)
        for arm in arms:
            await boot(clock, arm)
        origin = clock.now()
        live = Live(
            clock,
            arms,
            poisson(setup.seed, "live", rate=1.0),
            name=salt_of(run_id),
            turns_each=setup.scenario.turns,
            origin=origin,
            tell=lambda row, spans, flow: told.append((row, spans)),
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(_steer(live, clock, origin, steps))
            await live.run()

    run("virtual", main())
    return told


async def _steer(live: Live, clock: VirtualClock, origin: float, steps: Sequence[Step]) -> None:
    for step in steps:
        await clock.sleep_until(origin + step.from_s - 0.25)
        live.step(step)
    await clock.sleep_until(origin + STOP_S)
    live.stop()


def _bytes(turns: list[Turn]) -> list[bytes]:
    """In one order; as bytes, for what is no number is not even equal to itself."""
    return sorted(map(msgspec.msgpack.encode, turns))


def _shared(setup: Setup, engines: int) -> list[Turn]:
    return [
        turn
        for share in range(engines)
        for turn in _played(setup, [Step(*step, share, engines) for step in RATES])
    ]


@pytest.mark.parametrize("strategy", ["prewarm", "baseline vs prewarm,token_cache"])
def test_the_number_of_engines_changes_nothing(strategy: str) -> None:
    setup = _setup(strategy)
    alone = _shared(setup, 1)
    assert len(alone) > 60
    assert len({(row.variant, row.conversation, row.turn) for row, _ in alone}) == len(alone)
    assert _bytes(_shared(setup, 2)) == _bytes(alone)
    assert _bytes(_shared(setup, 4)) == _bytes(alone)


def test_strategies_meet_the_same_conversations_in_a_changing_order() -> None:
    rows = [row for row, _ in _shared(_setup("baseline vs prewarm"), 1) if row.turn == 0]
    by_strategy = {
        name: {row.conversation: row for row in rows if row.variant == name}
        for name in ("baseline", "prewarm")
    }
    both = by_strategy["baseline"].keys() & by_strategy["prewarm"].keys()
    # The last conversation may have begun in one of them only.
    assert len(both) >= len(by_strategy["baseline"]) - 1 > 15
    pairs = [(by_strategy["baseline"][n], by_strategy["prewarm"][n]) for n in both]
    assert all(one.amount_minor == other.amount_minor for one, other in pairs)
    assert {one.due_s < other.due_s for one, other in pairs} == {True, False}


def test_a_worker_that_is_lost_leaves_its_conversations_to_the_others() -> None:
    setup = _setup("token_cache")
    first = _played(setup, [Step(0, 20, 0, 2), Step(3, 20, 0, 1)])
    lost = _played(setup, [Step(0, 20, 1, 2), Step(3, 20, 0, 0)])
    assert _bytes(first + lost) == _bytes(_played(setup, [Step(0, 20, 0, 1)]))


@pytest.mark.parametrize("scenario", ["conversation", "split_bill"])
def test_another_run_has_other_users_and_the_same_draws(scenario: str) -> None:
    assert salt_of("one run") != salt_of("another")
    setup, steps = _setup("baseline", scenario), [Step(0, 20, 0, 1)]
    one, other = (_played(setup, steps, name) for name in ("one run", "another"))
    assert len(one) > 60
    assert _bytes(one) == _bytes(other)
