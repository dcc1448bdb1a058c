"""The engine alone, on arms that only wait: what is due is begun, measured, and kept."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.clock import VirtualClock, run
from harness.flow.flow import Chat, Flow, Span, World
from harness.flow.inbox import Inbox
from harness.load.engine import (
    BOOT,
    Arm,
    Due,
    Tally,
    open_schedule,
    quiet_gc,
    record_turn,
    round_schedule,
    run_round,
)
from harness.load.health import examine
from harness.providers.call import Call, Overloaded
from harness.providers.told import TOLD_HEADER, Told, decode_draw, encode_told
from harness.record import Rows, columns_of
from harness.stats.quantiles import quantile
from tests.stats.by_hand import stage_ms
from tests.worlds import begin_round

Converse = Callable[[Chat], Awaitable[None]]


def _nowhere(request: httpx.Request) -> httpx.Response:
    raise AssertionError("this arm makes no calls")


async def _no_boot(flow: Flow) -> None: ...


async def _one_second_turns(chat: Chat) -> None:
    for _ in range(chat.turns):
        async with chat.turn() as flow:
            await flow.sleep(1.0)
            flow.outcome = "ok"


def _arm(converse: Converse, name: str = "only") -> Arm:
    world = World(VirtualClock(), httpx.MockTransport(_nowhere), 1, 0, mocked=True)
    return Arm(name, world, _no_boot, converse)


def _run(arms: list[Arm], tally: Tally, turns: int = 20, rate: float = 2.0) -> None:
    async def main() -> None:
        await begin_round(VirtualClock(), arms, tally, turns=turns, turns_each=5, rate=rate)

    run("virtual", main())


def test_a_cancelled_round_keeps_every_turn_that_had_finished() -> None:
    tally = Tally()

    async def main() -> None:
        arms = [_arm(_one_second_turns, name) for name in ("a", "b")]
        round_ = asyncio.create_task(begin_round(VirtualClock(), arms, tally, turns=20, rate=2.0))
        await asyncio.sleep(12.5)
        round_.cancel()
        with pytest.raises(asyncio.CancelledError):
            await round_

    run("virtual", main())
    assert 0 < tally.finished < tally.started < 40
    assert tally.running == tally.started - tally.finished == 3
    assert tally.started == len(tally.rows.flows) <= tally.due
    assert tally.open == 0
    for row in tally.rows.flows:
        assert row.outcome == ("ok" if row.end_s < 12.5 else "running")
        assert row.service_ms == pytest.approx((row.end_s - row.start_s) * 1e3, abs=1e-3)
    assert gc.isenabled()


def test_a_bug_in_a_scenario_ends_the_round_and_keeps_the_turns_before_it() -> None:
    async def converse(chat: Chat) -> None:
        for turn in range(chat.turns):
            async with chat.turn() as flow:
                await flow.sleep(1.0)
                if (chat.conversation, turn) == (2, 3):
                    raise ZeroDivisionError("a bug of the scenario")
                flow.outcome = "ok"

    tally = Tally()
    with pytest.raises(ExceptionGroup) as raised:
        _run([_arm(converse)], tally)
    assert [str(error) for error in raised.value.exceptions] == ["a bug of the scenario"]
    outcomes = {(row.conversation, row.turn): row.outcome for row in tally.rows.flows}
    assert [outcomes[2, turn] for turn in range(4)] == ["ok", "ok", "ok", "running"]
    assert tally.started == len(outcomes) == tally.finished + tally.running
    assert gc.isenabled()


def test_a_bug_in_a_fork_that_nobody_awaited_ends_the_round() -> None:
    async def fail() -> None:
        raise ZeroDivisionError("a bug in a fork")

    async def converse(chat: Chat) -> None:
        async with chat.turn() as flow:
            flow.fork(fail())

    tally = Tally()
    with pytest.raises(ExceptionGroup):
        _run([_arm(converse)], tally)
    assert tally.ended >= 1


def test_a_providers_fault_is_counted_and_ends_nothing() -> None:
    async def converse(chat: Chat) -> None:
        for turn in range(chat.turns):
            async with chat.turn() as flow:
                flow.outcome = "unknown" if turn == 0 else "paid"
                if turn == 1:
                    raise Overloaded("503")

    tally = Tally()
    _run([_arm(converse)], tally)
    assert (tally.due, tally.started, tally.finished, tally.failed) == (20, 20, 12, 8)


def test_a_scenario_that_begins_fewer_turns_than_given_is_seen() -> None:
    async def converse(chat: Chat) -> None:
        async with chat.turn():
            pass

    tally = Tally()
    _run([_arm(converse)], tally)
    assert (tally.due, tally.started, tally.ended) == (20, 4, 4)


def test_arrivals_do_not_wait_for_answers() -> None:
    async def converse(chat: Chat) -> None:
        async with chat.turn() as flow:
            await flow.sleep(1000.0)

    tally = Tally()
    _run([_arm(converse)], tally)
    assert max(row.due_s for row in tally.rows.flows) < 100
    assert all(row.service_ms == 1_000_000 for row in tally.rows.flows)


def test_a_conversation_begins_when_it_is_due() -> None:
    begun: list[tuple[float, float]] = []

    async def converse(chat: Chat) -> None:
        begun.append((chat.due, chat.now()))

    _run([_arm(converse, name) for name in ("a", "b")], Tally())
    assert len(begun) == 8
    assert len({due for due, _ in begun}) == 8
    assert all(now == pytest.approx(due, abs=1e-8) for due, now in begun)


def test_a_late_start_is_part_of_the_response_and_not_of_the_service() -> None:
    async def converse(chat: Chat) -> None:
        await asyncio.sleep(3.0)
        await _one_second_turns(chat)

    tally = Tally()
    _run([_arm(converse)], tally, turns=2)
    first, second = tally.rows.flows
    assert (first.response_ms, first.service_ms) == pytest.approx((4000.0, 1000.0), abs=1e-5)
    assert (second.response_ms, second.service_ms) == pytest.approx((1000.0, 1000.0), abs=1e-5)
    assert first.start_s - first.due_s == pytest.approx(3.0)


def test_what_runs_on_after_its_turn_is_recorded_and_not_waited_for() -> None:
    async def slow(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(9.0)
        return httpx.Response(200)

    async def converse(chat: Chat) -> None:
        async with chat.turn() as flow:
            get = httpx.Request("GET", "http://somewhere.test/")
            flow.fork(flow.call("session", Call("shop", get, lambda *_: None)))
            await flow.sleep(1.0)

    arm = _arm(converse)
    arm.world.transport = httpx.MockTransport(slow)
    tally = Tally()
    _run([arm], tally, turns=5)
    assert [row.response_ms for row in tally.rows.flows] == [1000.0]
    assert [(span.stage, span.critical) for span in tally.rows.spans] == [("session", False)]
    assert tally.rows.spans[0].end_s - tally.rows.spans[0].start_s == pytest.approx(9.0)


def test_what_a_user_takes_to_approve_is_in_no_response_and_in_no_service() -> None:
    async def converse(chat: Chat) -> None:
        await asyncio.sleep(3.0)
        async with chat.turn() as flow:
            await flow.sleep(1.0)
            await flow.person("approve", 40.0)
            await flow.sleep(0.5)

    tally = Tally()
    _run([_arm(converse)], tally, turns=1)
    (row,), (span,) = tally.rows.flows, tally.rows.spans
    assert row.response_ms == pytest.approx(4500.0, abs=1e-5)
    assert row.service_ms == pytest.approx(1500.0, abs=1e-5)
    assert row.human_ms == pytest.approx(40_000.0, abs=1e-5)
    assert row.end_s - row.due_s == pytest.approx(44.5)
    assert (span.stage, span.critical) == ("approve", True)
    stages = stage_ms(columns_of(tally.rows))["only"]
    assert stages == pytest.approx({"own time": 4500.0})


def test_a_draft_beside_an_approval_is_counted_without_what_the_user_took() -> None:
    async def slow(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(6.0)
        return httpx.Response(200)

    async def converse(chat: Chat) -> None:
        async with chat.turn() as flow:
            get = httpx.Request("GET", "http://somewhere.test/")
            draft = flow.fork(flow.call("confirm", Call("model", get, lambda *_: None)))
            await asyncio.gather(*(flow.person("approve", s) for s in (4.0, 2.5)))
            await draft

    arm = _arm(converse)
    arm.world.transport = httpx.MockTransport(slow)
    tally = Tally()
    _run([arm], tally, turns=1)
    (row,) = tally.rows.flows
    assert (row.response_ms, row.human_ms) == pytest.approx((2000.0, 4000.0), abs=1e-5)
    assert [span.stage for span in tally.rows.spans if span.critical] == ["confirm"]
    stages = stage_ms(columns_of(tally.rows))["only"]
    assert stages == pytest.approx({"confirm": 2000.0}, abs=1e-5)


def test_waiting_for_a_notice_is_no_call_of_the_apps() -> None:
    async def converse(chat: Chat) -> None:
        chat.world.inbox = Inbox("http://app")
        async with chat.turn() as flow:
            assert await flow.notice("alipay-ai", "order", patience_s=2.0) is None
            with flow.step("sign"):
                pass

    tally = Tally()
    _run([_arm(converse)], tally, turns=1)
    assert tally.rows.flows[0].calls == 0
    assert [(span.stage, span.provider, span.status) for span in tally.rows.spans] == [
        ("notify", "alipay-ai", 0),
        ("sign", "", 0),
    ]


def test_what_a_turn_counted_stands_in_its_row() -> None:
    async def converse(chat: Chat) -> None:
        async with chat.turn() as flow:
            flow.guarded, flow.token_cost_micro, flow.corrections = 2, 12_345, 1
            flow.fee_minor, flow.wasted_prewarms, flow.stale_tokens = 27, 3, 4

    tally = Tally()
    _run([_arm(converse)], tally, turns=1)
    (row,) = tally.rows.flows
    assert (row.guarded, row.token_cost_micro, row.corrections) == (2, 12_345, 1)
    assert (row.fee_minor, row.wasted_prewarms, row.stale_tokens) == (27, 3, 4)


def test_a_spans_first_token_is_recorded_apart_from_its_first_byte() -> None:
    async def body() -> AsyncIterator[bytes]:
        for chunk in (b": wait\n\n", b"data: {}\n\n", b"data: [DONE]\n\n"):
            await asyncio.sleep(1.0)
            yield chunk

    async def patient(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=body())

    async def converse(chat: Chat) -> None:
        async with chat.turn() as flow:
            get = httpx.Request("GET", "http://somewhere.test/")
            await flow.call("confirm", Call("model", get, lambda *_: None))

    arm = _arm(converse)
    arm.world.transport = httpx.MockTransport(patient)
    tally = Tally()
    _run([arm], tally, turns=1)
    (span,) = tally.rows.spans
    times = (span.first_byte_s, span.first_token_s, span.end_s)
    assert [time - span.start_s for time in times] == pytest.approx([1.0, 2.0, 3.0])


def test_turns_told_to_somebody_are_not_kept_in_memory() -> None:
    tally, told = Tally(), Rows()

    async def main() -> None:
        arms = [_arm(_one_second_turns)]
        schedule = round_schedule(1, 0, arms, turns=20, turns_each=5, rate=2.0)
        await run_round(VirtualClock(), arms, schedule, tally, tell=told.add)

    run("virtual", main())
    assert len(told.flows) == tally.finished == 20
    assert tally.rows == Rows()


def test_a_round_begins_when_it_is_told_to() -> None:
    tally, begun = Tally(), 0.0

    async def begin() -> float:
        nonlocal begun
        await asyncio.sleep(5.0)
        begun = VirtualClock().now() + 2.0
        return begun

    async def main() -> None:
        arms = [_arm(_one_second_turns)]
        schedule = round_schedule(1, 0, arms, turns=1, turns_each=1, rate=2.0)
        await run_round(VirtualClock(), arms, schedule, tally, begin=begin)
        assert VirtualClock().now() == pytest.approx(begun + tally.rows.flows[0].end_s)

    run("virtual", main())
    assert begun == pytest.approx(7.0)
    assert tally.rows.flows[0].start_s == tally.rows.flows[0].due_s


def test_what_is_in_flight_when_the_drain_is_over_is_cut_off_and_kept() -> None:
    """A server that answers 15 of 200 calls: the 185 are infinite, and so is the median."""

    async def some(request: httpx.Request) -> httpx.Response:
        key = decode_draw(request.headers)
        assert key
        await asyncio.sleep(0.1 if key.conversation % 13 == 0 and key.conversation < 195 else 1e6)
        return httpx.Response(200)

    async def converse(chat: Chat) -> None:
        async with chat.turn() as flow:
            get = httpx.Request("GET", "http://somewhere.test/")
            await flow.call("http", Call("shop", get, lambda *_: None), patience_s=1e9)
            flow.outcome = "ok"

    arm, tally = _arm(converse), Tally()
    arm.world.transport = httpx.MockTransport(some)

    async def main() -> None:
        schedule = [Due(n / 10, n, arm, f"c{n}", 1) for n in range(200)]
        await run_round(VirtualClock(), [arm], schedule, tally, drain_s=3.0)

    run("virtual", main())
    assert (tally.due, tally.started, tally.finished, tally.running) == (200, 200, 15, 185)
    columns = columns_of(tally.rows)
    assert quantile(np.sort(columns.turns.answered_ms), 0.05) == pytest.approx(100.0)
    assert np.isinf(quantile(np.sort(columns.turns.answered_ms), 0.5))
    health, reasons = examine(tally, columns, "virtual")
    assert (health.running, reasons) == (185, [])
    cut = [span for span in tally.rows.spans if span.status == 0]
    assert len(cut) == 185 and max(span.end_s for span in cut) == pytest.approx(22.9)
    assert [row.calls for row in tally.rows.flows] == [1] * 200


def test_a_turn_that_the_cut_came_before_was_never_due() -> None:
    async def converse(chat: Chat) -> None:
        for _ in range(chat.turns):
            async with chat.turn() as flow:
                await flow.sleep(1.0)
                flow.outcome = "ok"
            await chat.think(10.0)

    arm, tally = _arm(converse), Tally()

    async def main() -> None:
        await run_round(VirtualClock(), [arm], [Due(1.0, 0, arm, "c0", 5)], tally, drain_s=15.0)

    run("virtual", main())
    assert (tally.due, tally.started, tally.finished, tally.running) == (2, 2, 2, 0)


def test_a_fork_ends_with_the_turn_that_is_cut_off() -> None:
    left: list[asyncio.Task[None]] = []

    async def forever(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(1e6)
        raise AssertionError

    async def converse(chat: Chat) -> None:
        get = httpx.Request("GET", "http://somewhere.test/")
        async with chat.turn() as flow:
            flow.fork(flow.call("session", Call("shop", get, lambda *_: None), patience_s=1e9))
            await flow.sleep(1.0)
            flow.outcome = "ok"

    arm, tally = _arm(converse), Tally()
    arm.world.transport = httpx.MockTransport(forever)

    async def main() -> None:
        await run_round(VirtualClock(), [arm], [Due(0.0, 0, arm, "c0", 1)], tally, drain_s=5.0)
        left.extend(asyncio.all_tasks() - {asyncio.current_task()})

    run("virtual", main())
    # The turn had its answer; what it had begun beside it was not waited for any longer.
    assert (tally.finished, tally.running, left) == (1, 0, [])
    (span,) = tally.rows.spans
    assert (span.stage, span.status) == ("session", 0)
    assert span.end_s == pytest.approx(5.0)


def test_what_an_app_does_first_is_in_no_row_and_delays_no_turn() -> None:
    keys = []

    async def slow(request: httpx.Request) -> httpx.Response:
        keys.append(decode_draw(request.headers))
        await asyncio.sleep(20.0)
        return httpx.Response(200)

    async def boot(flow: Flow) -> None:
        get = httpx.Request("GET", "http://somewhere.test/key")
        await flow.call("key", Call("shop", get, lambda *_: None))

    only = _arm(_one_second_turns)
    only.world.transport = httpx.MockTransport(slow)
    tally = Tally()
    _run([Arm("only", only.world, boot, only.converse)], tally, turns=5)
    assert [key and key.conversation for key in keys] == [BOOT]
    assert tally.rows.spans == []
    assert [row.response_ms for row in tally.rows.flows] == [1000.0] * 5
    assert tally.rows.flows[0].due_s < 20


@pytest.mark.parametrize("interrupted", [False, True])
def test_secrets_found_in_prompts_are_counted_even_if_the_round_is_cut_short(
    interrupted: bool,
) -> None:
    async def leaky(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={TOLD_HEADER: encode_told(Told(0.0, 0.0, 3))})

    async def converse(chat: Chat) -> None:
        async with chat.turn() as flow:
            get = httpx.Request("GET", "http://somewhere.test/")
            await flow.call("intent", Call("model", get, lambda *_: None))
        if interrupted:
            raise ZeroDivisionError

    arm = _arm(converse)
    arm.world.transport = httpx.MockTransport(leaky)
    tally = Tally()
    if interrupted:
        with pytest.raises(ExceptionGroup):
            _run([arm], tally, turns=1)
    else:
        _run([arm], tally, turns=1)
    assert tally.leaks == 3


def test_no_garbage_is_collected_while_measuring() -> None:
    seen = []

    async def converse(chat: Chat) -> None:
        async with chat.turn():
            seen.append(gc.isenabled())

    _run([_arm(converse)], Tally(), turns=1)
    assert seen == [False] and gc.isenabled()
    with pytest.raises(ZeroDivisionError), quiet_gc():
        raise ZeroDivisionError
    assert gc.isenabled()


# Schedules


def test_a_round_is_scheduled_in_order_with_equal_quotas_and_users_of_their_own() -> None:
    arms = [_arm(_one_second_turns, name) for name in "abc"]
    schedule = round_schedule(1, 0, arms, turns=12, turns_each=5, rate=10.0)
    assert [due.when for due in schedule] == sorted(due.when for due in schedule)
    for arm in arms:
        own = sorted((due.conversation, due.turns) for due in schedule if due.arm is arm)
        assert own == [(0, 5), (1, 5), (2, 2)]
    assert len({due.user for due in schedule}) == 9


@pytest.mark.parametrize("arms_n", [1, 2, 8])
def test_the_rate_is_turns_a_second_of_all_arms_together(arms_n: int) -> None:
    arms = [_arm(_one_second_turns, str(n)) for n in range(arms_n)]
    schedule = round_schedule(1, 0, arms, turns=10_000, turns_each=5, rate=40.0)
    turns = sum(due.turns for due in schedule)
    assert turns / schedule[-1].when == pytest.approx(40.0, rel=0.1)


def test_a_round_of_no_turns_has_no_schedule() -> None:
    arms = [_arm(_one_second_turns)]
    assert round_schedule(1, 0, arms, turns=0, turns_each=5, rate=1.0) == []


def test_open_arrivals_come_at_the_rate_until_the_time_is_over() -> None:
    arm = _arm(_one_second_turns)
    schedule = list(open_schedule(1, arm, turns_each=5, rate=50.0, duration_s=400.0))
    assert sum(due.turns for due in schedule) == pytest.approx(50 * 400, rel=0.1)
    assert 390 < schedule[-1].when < 400
    assert [due.conversation for due in schedule] == list(range(len(schedule)))
    assert schedule == list(open_schedule(1, arm, turns_each=5, rate=50.0, duration_s=400.0))


def test_tallies_add_up() -> None:
    one, other, both = Tally(), Tally(), Tally()
    _run([_arm(_one_second_turns)], one, turns=5)
    _run([_arm(_one_second_turns)], other, turns=10)
    other.leaks = 2
    both.add(one)
    both.add(other)
    assert (both.due, both.started, both.finished, both.failed, both.leaks) == (15, 15, 15, 0, 2)
    assert both.rows.flows == one.rows.flows + other.rows.flows


_moments = st.floats(0, 2e6) | st.integers(0, 2**52).map(lambda halves: halves * 0.5e-9)


@given(_moments, st.lists(_moments, min_size=4, max_size=4))
def test_times_are_told_in_whole_nanoseconds_as_round_has_them(
    origin: float, times: list[float]
) -> None:
    start, first_byte, first_token, end = times
    flow = Flow(_arm(_one_second_turns).world, 0, 0, start, start, end, human=first_byte)
    flow.spans.append(Span("pay", "bank", start, first_byte, first_token, end, 200, 1, None))
    rows = Rows()
    record_turn("only", flow, end, origin, rows.add)
    [turn], [span] = rows.flows, rows.spans
    told = span.start_s, span.first_byte_s, span.first_token_s, span.end_s
    assert told == tuple(round((when - origin) * 1e9) / 1e9 for when in times)
    answered = end - first_byte
    assert (turn.due_s, turn.start_s, turn.end_s) == (told[0], told[0], told[3])
    assert turn.response_ms == turn.service_ms == round((answered - start) * 1e6) / 1e3
    assert turn.human_ms == round(first_byte * 1e6) / 1e3
