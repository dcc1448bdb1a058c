"""A user's function is found, and made into an arm that lives on both clocks."""

import asyncio
import threading
import time
from pathlib import Path

import httpx
import pytest

from harness import clock as clocks
from harness.cli import own_rounds
from harness.cli.own_flow import BadFlow, OwnFlow, OwnTurn, find_function, function_arm, rerouted
from harness.cli.own_rounds import Own
from harness.cli.wiring import Way
from harness.clock import RealClock, VirtualClock
from harness.flow.inbox import Inbox
from harness.flow.strategy import Strategy
from harness.http1 import Sockets
from harness.load.engine import Tally, round_schedule, run_round
from harness.providers.call import Endpoint
from harness.virtual_loop import Deadlock
from mocks.host import Host, endpoints
from tests.cli.own_turn import FIRST_S, PAYMENT_S, mocks, play_own, way_in_process
from tests.sdk.serving import serve

CHAT = "https://api.openai.com/v1/chat/completions"
PAYMENTS = "https://api.stripe.com/v1/payment_intents"
ASKED = {
    "model": "gpt-4o",
    "stream": True,
    "messages": [{"role": "user", "content": "please pay 12.50 CNY to tea-house with my balance"}],
}
PAID = {
    "amount": 1099,
    "currency": "usd",
    "confirm": "true",
    "payment_method": "pm_card_visa",
    "automatic_payment_methods[enabled]": "true",
    "automatic_payment_methods[allow_redirects]": "never",
}

SHOP = """
import httpx

async def buy(turn):
    async with httpx.AsyncClient() as client:
        await client.get("https://api.openai.com/v1/models")

async def look():
    pass

def count():
    pass

COUNT = 7
"""


def test_a_function_is_found_by_its_file_and_name(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(SHOP)
    function = find_function(f"{tmp_path / 'shop.py'}::buy")
    (flow,) = play_own(function).rows.flows
    assert (flow.outcome, flow.calls) == ("ok", 1)


@pytest.mark.parametrize(
    ("text", "mend"),
    [
        ("shop.py", "'shop.py' is no function of a .py file: name it as path.py::function"),
        ("shop.py::", "'shop.py::' is no function of a .py file: name it as path.py::function"),
        ("shop::buy", "'shop::buy' is no function of a .py file: name it as path.py::function"),
        (
            "none.py::buy",
            "'none.py::buy' is no function of a .py file: name it as path.py::function",
        ),
        ("shop.py::sell", "shop.py has no 'sell'; its async functions are: buy, look"),
        ("shop.py::count", "shop.py: count is no async function: begin it with `async def`"),
        ("shop.py::COUNT", "shop.py: 7 is no function: give an async function of one turn, or of"),
        ("bad.py::buy", "bad.py cannot be loaded: ModuleNotFoundError: No module named 'nowhere'"),
    ],
)
def test_what_is_no_function_is_told_with_the_mend(
    text: str, mend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("shop.py").write_text(SHOP)
    Path("bad.py").write_text("import nowhere")
    with pytest.raises(LookupError) as told:
        find_function(text)
    assert str(told.value).startswith(mend)


def _plain(turn: OwnTurn) -> None: ...


def test_a_function_that_cannot_be_played_makes_no_arm() -> None:
    async def main() -> None:
        clock = VirtualClock()
        way = way_in_process(mocks(), clock)
        with pytest.raises(BadFlow, match="_plain is no async function"):
            function_arm("own", _plain, Strategy(), way, seed=1, round_=0, clock=clock)  # type: ignore[arg-type]  # that is the mistake

    clocks.run("virtual", main())


async def buy(turn: OwnTurn) -> None:
    """It pays as soon as the model has begun to answer."""
    async with httpx.AsyncClient(timeout=30.0) as client:

        async def pay() -> None:
            with turn.stage("pay"):
                headers = {"authorization": "Bearer sk_live_their_own"}
                answer = await client.post(PAYMENTS, data=PAID, headers=headers)
                answer.raise_for_status()

        with turn.stage("intent"):
            headers = {"authorization": "Bearer sk-their-own"}
            async with client.stream("POST", CHAT, json=ASKED, headers=headers) as answer:
                answer.raise_for_status()
                paying: asyncio.Task[None] | None = None
                async for _ in answer.aiter_bytes():
                    paying = paying or asyncio.create_task(pay())
        assert paying is not None
        await paying


def test_it_lives_on_the_virtual_clock() -> None:
    tally = play_own(buy, turns=3)
    assert [of.outcome for of in tally.rows.flows] == ["ok"] * 3, tally.fault
    assert {of.response_ms for of in tally.rows.flows} == {(FIRST_S + PAYMENT_S) * 1e3}
    assert (tally.leaks, tally.causes) == (0, {})


@pytest.mark.socket
def test_it_lives_on_the_real_clock_where_mocks_are_on_a_socket() -> None:
    tally, clock = Tally(), RealClock()
    config = mocks()

    async def main(base_url: str) -> None:
        async with Sockets() as transport:
            way = Way(transport, endpoints(base_url, config), Inbox(""))
            arm = function_arm("own", buy, Strategy(), way, seed=1, round_=0, clock=clock)
            due = round_schedule(1, 0, [arm], turns=2, turns_each=1, rate=20.0)
            await run_round(clock, [arm], due, tally)

    with serve(Host(clock, config)) as url, rerouted():
        clocks.run("real", main(url))
    assert [of.outcome for of in tally.rows.flows] == ["ok", "ok"], tally.fault
    calls = [of for of in tally.rows.spans if of.provider]
    spans = {(of.conversation, of.stage): of for of in calls}
    assert len(calls) == len(spans) == 4
    for n in (0, 1):
        intent, pay = spans[n, "intent"], spans[n, "pay"]
        # The first token was seen when it came, and what came after it did not wait for anybody.
        assert intent.first_token_s <= pay.start_s < intent.end_s < pay.end_s
        assert (pay.injected_ms, pay.status) == (PAYMENT_S * 1e3, 200)
        assert intent.injected_ms > FIRST_S * 1e3


def test_what_is_played_without_rerouting_is_a_bug_of_whoever_plays_it() -> None:
    async def main() -> None:
        clock = VirtualClock()
        way = way_in_process(mocks(), clock)
        arm = function_arm("own", buy, Strategy(), way, seed=1, round_=0, clock=clock)
        await run_round(clock, [arm], [], Tally())

    with pytest.raises(RuntimeError, match="within rerouted"):
        clocks.run("virtual", main())


def test_a_thread_that_wakes_the_loop_is_a_mistake_of_the_function() -> None:
    async def order() -> None:
        loop = asyncio.get_running_loop()
        thread = threading.Thread(target=_wake, args=(loop,))
        thread.start()
        thread.join()
        await asyncio.sleep(1.0)

    with pytest.raises(BadFlow, match="a thread wakes the virtual clock"):
        own_rounds.play_own(_in_rounds(order))


def _in_rounds(function: OwnFlow, rounds: int = 2) -> Own:
    return Own(
        function=function,
        strategy=Strategy(),
        mocks=mocks(),
        seed=1,
        rounds=rounds,
        turns=rounds * 2,
        rate=1.0,
        others={},
    )


def test_no_clock_goes_backwards_from_round_to_round_and_each_play_is_like_another() -> None:
    seen: list[tuple[float, float, float, float]] = []

    async def look(turn: OwnTurn) -> None:
        for after in (0.25, 70.0):
            loop = asyncio.get_running_loop()
            seen.append((loop.time(), turn.now(), time.monotonic(), time.time()))
            await asyncio.sleep(after)

    for _ in range(2):
        own_rounds.play_own(_in_rounds(look, rounds=4))
    assert seen[:16] == seen[16:]
    for one in zip(*seen[:16], strict=True):
        assert list(one) == sorted(one)
    assert sorted({now // 100 * 100 for now, *_ in seen}) == [0.0, 100.0, 200.0, 300.0]


def test_a_limiter_that_is_kept_in_a_module_waits_for_no_time_to_come_again() -> None:
    free_at_s = 0.0

    async def limited() -> None:
        """At most one a millisecond, which turns of one a second never are."""
        nonlocal free_at_s
        now = asyncio.get_running_loop().time()
        at, free_at_s = max(now, free_at_s), max(now, free_at_s) + 1e-3
        await asyncio.sleep(at - now)

    tally = own_rounds.play_own(_in_rounds(limited, rounds=5))
    assert {of.response_ms for of in tally.rows.flows} == {0.0}


def _wake(loop: asyncio.AbstractEventLoop) -> None:
    with pytest.raises(Deadlock):
        loop.call_soon_threadsafe(int)


def test_a_call_outside_of_turns_goes_where_it_would_meanwhile() -> None:
    async def main() -> None:
        async with httpx.AsyncClient() as client:
            await client.get("https://api.openai.com/v1/models")

    # On the virtual clock that is nowhere, and nobody is asked for the name.
    with rerouted(), pytest.raises(Deadlock, match=r"connection to api\.openai\.com:"):
        clocks.run("virtual", main())


def test_an_endpoint_is_enough_for_a_client_that_takes_one() -> None:
    seen: list[Endpoint] = []

    async def read(turn: OwnTurn) -> None:
        seen.append(turn.endpoint("openai"))
        headers = {"authorization": f"Bearer {seen[0].key}"}
        async with httpx.AsyncClient(base_url=seen[0].base_url, headers=headers) as client:
            (await client.get("/models")).raise_for_status()

    (flow,) = play_own(read).rows.flows
    assert flow.outcome == "ok" and seen[0].base_url == "http://mocks/openai/v1"
