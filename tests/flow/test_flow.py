"""Turns and conversations: due times, calls and their spans, forks, and whose fault ends what."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from typing import Any

import httpx
import pytest

from harness import draws
from harness.clock import ClockName, VirtualClock, run
from harness.flow.flow import MOST_PAUSE_S, Chat, Flow, World
from harness.providers.call import Call, Malformed, Overloaded, Unreachable
from harness.providers.told import DRAW_HEADER, TOLD_HEADER, Told, encode_told

Handler = Callable[[httpx.Request], Coroutine[Any, Any, httpx.Response]]


async def _half_a_second(request: httpx.Request) -> httpx.Response:
    await asyncio.sleep(0.5)
    return httpx.Response(200, text="fine", headers={TOLD_HEADER: encode_told(Told(500.0, 1.5, 2))})


def _world(
    handler: Handler = _half_a_second,
    *,
    seed: int = 1,
    round_: int = 3,
    mocked: bool = True,
    think_scale: float = 1.0,
) -> World:
    transport = httpx.MockTransport(handler)
    return World(VirtualClock(), transport, seed, round_, mocked, think_scale)


def _chat(world: World | None = None, turns: int = 9) -> Chat:
    return Chat(world or _world(), 7, "alice", turns, due=0.0)


def _call() -> Call[str]:
    request = httpx.Request("GET", "http://somewhere.test/")
    return Call("shop", request, lambda status, headers, body: f"{status} {body.decode()}")


# Turns


def test_a_turn_begins_when_it_is_due_and_the_next_when_the_user_has_thought() -> None:
    async def main() -> list[tuple[float, float, float | None]]:
        chat = Chat(_world(), 0, "alice", 3, due=2.0)
        for pause_s in (0.0, 4.0, 8.0):
            await chat.think(pause_s)
            async with chat.turn() as flow:
                await flow.sleep(1.0)
        return [(flow.due, flow.start, flow.end) for flow in chat.flows]

    assert run("virtual", main()) == [(2.0, 2.0, 3.0), (7.0, 7.0, 8.0), (16.0, 16.0, 17.0)]


def test_thinking_twice_is_thinking_longer() -> None:
    async def main() -> tuple[float, float]:
        chat = _chat()
        async with chat.turn() as flow:
            await flow.sleep(1.0)
        await chat.think(10.0)
        await chat.think(5.0)
        async with chat.turn() as flow:
            pass
        return flow.due, flow.start

    assert run("virtual", main()) == (16.0, 16.0)


def test_a_turn_without_a_thought_is_due_when_the_last_one_ended() -> None:
    async def main() -> list[float]:
        chat = _chat()
        for _ in range(3):
            async with chat.turn() as flow:
                await flow.sleep(1.5)
        return [flow.due for flow in chat.flows]

    assert run("virtual", main()) == [0.0, 1.5, 3.0]


@pytest.mark.parametrize(("scale", "due"), [(1.0, 20.0), (0.05, 1.0), (0.0, 0.0)])
def test_think_times_are_scaled(scale: float, due: float) -> None:
    async def main() -> float:
        chat = _chat(_world(think_scale=scale))
        await chat.think(20.0)
        return chat.now()

    assert run("virtual", main()) == due


class Slowly(VirtualClock):
    """It says that nothing jumps on it."""

    name: ClockName = "real"


@pytest.mark.parametrize(
    ("clock", "scale", "pause_s", "waits_s"),
    [
        (VirtualClock, 1.0, 86_400.0, 86_400.0),
        (VirtualClock, 0.5, 86_400.0, 43_200.0),
        (VirtualClock, 0.0, 86_400.0, 0.0),
        (VirtualClock, 1000.0, 5.0, 5000.0),
        (VirtualClock, 1000.0, 86_400.0, MOST_PAUSE_S["virtual"]),
        (Slowly, 1.0, 5.0, 5.0),
        (Slowly, 1.0, 86_400.0, MOST_PAUSE_S["real"]),
        (Slowly, 0.0001, 86_400.0, 8.64),
        (Slowly, 1000.0, 5.0, MOST_PAUSE_S["real"]),
    ],
)
def test_a_pause_is_scaled_and_nobody_waits_for_a_day_of_real_time(
    clock: Callable[[], VirtualClock], scale: float, pause_s: float, waits_s: float
) -> None:
    async def main() -> float:
        world = replace(_world(think_scale=scale), clock=clock())
        flow = Flow(world, 7, 0, 0.0, 0.0)
        await flow.pause(pause_s)
        return flow.now()

    assert run("virtual", main()) == waits_s


def test_time_that_a_turn_comes_late_counts_from_its_due_time() -> None:
    async def main() -> tuple[float, float]:
        chat = _chat()
        await asyncio.sleep(3.0)
        async with chat.turn() as flow:
            pass
        return flow.due, flow.start

    assert run("virtual", main()) == (0.0, 3.0)


def test_more_turns_than_given_are_an_error() -> None:
    async def main() -> int:
        chat = _chat(turns=2)
        for _ in range(2):
            async with chat.turn():
                pass
        with pytest.raises(RuntimeError, match="more than the 2 turns"):
            async with chat.turn():
                raise AssertionError("unreachable")
        return len(chat.flows)

    assert run("virtual", main()) == 2


@pytest.mark.parametrize("fault", [Unreachable("gone"), Overloaded("503"), Malformed("what?")])
def test_a_providers_fault_ends_the_turn_and_not_the_conversation(fault: Exception) -> None:
    async def main() -> Chat:
        chat = _chat()
        async with chat.turn() as flow:
            flow.outcome = "paid"
            await flow.sleep(1.0)
            raise fault
        async with chat.turn() as flow:
            flow.outcome = "ok"
        return chat

    first, second = run("virtual", main()).flows
    assert (first.outcome, first.end, second.outcome) == ("error", 1.0, "ok")
    assert first.fault == f"{type(fault).__name__}: {fault}"


def test_any_other_exception_ends_the_conversation_and_leaves_the_turn_unfinished() -> None:
    async def main() -> Flow:
        chat = _chat()
        with pytest.raises(ZeroDivisionError):
            async with chat.turn():
                raise ZeroDivisionError
        return chat.flows[0]

    assert run("virtual", main()).end is None


# Calls


def test_a_call_is_decoded_and_leaves_a_span() -> None:
    async def main() -> Flow:
        flow = Flow(_world(), 7, 0, 0.0, 0.0)
        await flow.sleep(2.0)
        assert await flow.call("pay", _call()) == "200 fine"
        return flow

    flow = run("virtual", main())
    span = flow.spans[0]
    assert (span.stage, span.provider, span.status, span.attempt) == ("pay", "shop", 200, 1)
    assert (span.start, span.first_byte, span.first_token, span.end) == (2.0, 2.5, 2.5, 2.5)
    assert span.told == Told(500.0, 1.5, 2)
    assert flow.world.leaks == 2


def test_a_keep_alive_is_no_token_in_a_span_either() -> None:
    async def body() -> AsyncIterator[bytes]:
        for chunk in (b": wait\n\n", b"data: {}\n\n", b"data: [DONE]\n\n"):
            await asyncio.sleep(1.0)
            yield chunk

    async def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=body())

    async def main() -> Flow:
        flow = Flow(_world(handler), 7, 0, 0.0, 0.0)
        await flow.call("confirm", _call())
        return flow

    span = run("virtual", main()).spans[0]
    assert (span.start, span.first_byte, span.first_token, span.end) == (0.0, 1.0, 2.0, 3.0)


def test_attempts_are_counted_by_stage() -> None:
    async def main() -> Flow:
        flow = Flow(_world(), 7, 0, 0.0, 0.0)
        for stage in ("pay", "query", "pay", "pay"):
            await flow.call(stage, _call())
        return flow

    attempts = [(span.stage, span.attempt) for span in run("virtual", main()).spans]
    assert attempts == [("pay", 1), ("query", 1), ("pay", 2), ("pay", 3)]


@pytest.mark.parametrize("mocked", [True, False])
def test_only_a_mock_is_told_which_draw_to_serve(mocked: bool) -> None:
    seen: list[str | None] = []

    async def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get(DRAW_HEADER))
        assert mocked or not any("tollbench" in name for name in request.headers)
        return httpx.Response(200)

    async def main() -> None:
        flow = Flow(_world(handler, mocked=mocked), 7, 2, 0.0, 0.0)
        await flow.call("pay", _call())
        await flow.call("pay", _call())

    run("virtual", main())
    assert seen == (["3.7.2.pay.1", "3.7.2.pay.2"] if mocked else [None, None])


def test_no_whole_answer_is_unreachable_and_leaves_a_span_without_a_status() -> None:
    async def handler(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(1e6)
        raise AssertionError("unreachable")

    async def main() -> Flow:
        flow = Flow(_world(handler), 7, 0, 0.0, 0.0)
        with pytest.raises(Unreachable, match="within 4 s"):
            await flow.call("pay", _call(), patience_s=4.0)
        return flow

    span = run("virtual", main()).spans[0]
    assert (span.start, span.end, span.status, span.told) == (0.0, 4.0, 0, None)


def test_an_answer_that_breaks_the_wire_leaves_its_span_too() -> None:
    def refuse(status: int, headers: httpx.Headers, body: bytes) -> str:
        raise Malformed("not what was asked")

    async def main() -> Flow:
        flow = Flow(_world(), 7, 0, 0.0, 0.0)
        with pytest.raises(Malformed):
            await flow.call("pay", Call("shop", _call().request, refuse))
        return flow

    assert [span.status for span in run("virtual", main()).spans] == [200]


def test_a_local_step_is_a_span_without_a_provider() -> None:
    async def main() -> Flow:
        flow = Flow(_world(), 7, 0, 0.0, 0.0)
        with flow.step("encrypt"):
            await flow.sleep(0.25)
        return flow

    span = run("virtual", main()).spans[0]
    assert (span.stage, span.provider, span.status, span.told) == ("encrypt", "", 0, None)
    assert (span.start, span.end) == (0.0, 0.25)


def test_a_local_step_that_fails_is_no_span() -> None:
    async def main() -> Flow:
        flow = Flow(_world(), 7, 0, 0.0, 0.0)
        with pytest.raises(ZeroDivisionError), flow.step("encrypt"):
            raise ZeroDivisionError
        return flow

    assert run("virtual", main()).spans == []


# People


def test_a_users_time_is_a_span_of_nobodys_and_kept_apart() -> None:
    async def main() -> Flow:
        chat = _chat()
        async with chat.turn() as flow:
            await flow.sleep(1.0)
            await flow.person("approve", 4.0)
            await flow.sleep(0.5)
        return flow

    flow = run("virtual", main())
    (span,) = flow.spans
    assert (span.stage, span.provider, span.status, span.told) == ("approve", "", 0, None)
    assert (span.start, span.end, flow.human, flow.end) == (1.0, 5.0, 4.0, 5.5)


@pytest.mark.parametrize(("scale", "human"), [(1.0, 20.0), (0.05, 1.0), (0.0, 0.0)])
def test_a_users_time_is_scaled_as_think_times_are(scale: float, human: float) -> None:
    async def main() -> tuple[float, float]:
        flow = Flow(_world(think_scale=scale), 7, 0, 0.0, 0.0)
        await flow.person("approve", 20.0)
        return flow.human, flow.now()

    assert run("virtual", main()) == (human, human)


@pytest.mark.parametrize(
    ("approvals", "human"),
    [
        ([(0, 4), (0, 4)], 4.0),
        ([(0, 4), (1, 2)], 4.0),
        ([(0, 4), (3, 5)], 8.0),
        ([(0, 4), (4, 5)], 9.0),
        ([(0, 4), (6, 5)], 9.0),
        ([(0, 9), (1, 2), (5, 6), (20, 1)], 12.0),
    ],
)
def test_users_who_are_busy_at_the_same_time_are_counted_once(
    approvals: list[tuple[float, float]], human: float
) -> None:
    async def main() -> float:
        flow = Flow(_world(), 7, 0, 0.0, 0.0)

        async def approve(after_s: float, takes_s: float) -> None:
            await flow.sleep(after_s)
            await flow.person("approve", takes_s)

        await asyncio.gather(*(approve(*one) for one in approvals))
        assert len(flow.spans) == len(approvals)
        return flow.human

    assert run("virtual", main()) == human


# Forks


def test_a_fork_runs_beside_the_turn_and_join_waits_for_it() -> None:
    async def main() -> tuple[float | None, float, list[float]]:
        chat = _chat()
        async with chat.turn() as flow:
            flow.fork(flow.call("session", _call()))
            await flow.sleep(0.1)
        await flow.join()
        return flow.end, chat.now(), [span.end for span in flow.spans]

    assert run("virtual", main()) == (0.1, 0.5, [0.5])


def test_join_waits_for_what_a_fork_forked() -> None:
    async def main() -> int:
        flow = Flow(_world(), 7, 0, 0.0, 0.0)

        async def nested() -> None:
            await flow.sleep(1.0)
            flow.fork(flow.call("session", _call()))

        flow.fork(nested())
        await flow.join()
        return len(flow.spans)

    assert run("virtual", main()) == 1


def test_a_fault_in_a_fork_that_nobody_awaited_is_no_news_but_a_bug_is() -> None:
    async def fail(error: Exception) -> None:
        raise error

    async def main() -> None:
        flow = Flow(_world(), 7, 0, 0.0, 0.0)
        flow.fork(fail(Overloaded("503")))
        await flow.join()
        flow.fork(fail(KeyError("bug")))
        with pytest.raises(KeyError, match="bug"):
            await flow.join()

    run("virtual", main())


def test_a_fork_that_the_scenario_cancelled_is_no_news() -> None:
    async def main() -> None:
        flow = Flow(_world(), 7, 0, 0.0, 0.0)
        fork = flow.fork(flow.sleep(1e6))
        await flow.sleep(1.0)
        fork.cancel()
        await flow.join()
        assert flow.now() == 1.0

    run("virtual", main())


# Draws


def test_draws_hang_on_seed_round_conversation_turn_and_name_and_on_nothing_else() -> None:
    def draw(
        seed: int = 1, round_: int = 3, conversation: int = 7, turn: int = 0, name: str = "tip"
    ) -> float:
        world = _world(seed=seed, round_=round_)
        world.leaks = 99
        return Flow(world, conversation, turn, 5.0, 6.0).draw(name)

    assert draw() == draw() == draws.uniform(1, "scenario", 3, 7, 0, "tip")
    others = [draw(seed=2), draw(round_=4), draw(conversation=8), draw(turn=1), draw(name="tap")]
    assert len({draw(), *others}) == 6


@pytest.mark.parametrize(("low", "high"), [(1, 1), (1, 6), (-3, 3), (0, 10**9)])
def test_a_whole_number_is_drawn_from_the_whole_range_and_never_beyond(low: int, high: int) -> None:
    chat = _chat()
    drawn = [chat.draw_whole(low, high, "amount", n) for n in range(2000)]
    assert low <= min(drawn) and max(drawn) <= high
    assert min(drawn) - low <= (high - low) / 100 and high - max(drawn) <= (high - low) / 100
    assert chat.draw_whole(low, high, "amount", 7) == drawn[7]


def test_one_of_some_is_drawn_and_each_gets_its_turn() -> None:
    chat = _chat()
    drawn = [chat.draw_one("abcde", "payee", n) for n in range(2000)]
    assert all(350 < drawn.count(letter) < 450 for letter in "abcde")


def test_a_draw_that_nobody_names_is_that_of_the_chat_or_of_the_turn() -> None:
    assert _chat().draw() == draws.uniform(1, "scenario", 3, 7)
    assert Flow(_world(), 7, 2, 0.0, 0.0).draw() == draws.uniform(1, "scenario", 3, 7, 2)


def test_a_chat_draws_without_a_turn() -> None:
    chat = _chat()
    assert chat.draw("pause", 1) == draws.uniform(1, "scenario", 3, 7, "pause", 1)
    assert chat.draw("pause", 1) != chat.draw("pause", 2)
