"""How a turn of a user's function fails: by a provider's fault, by a bug, or not at all."""

import asyncio
import importlib
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from harness.flow.own import OwnTurn
from harness.flow.own_faults import fault_in
from harness.flow.own_function import OwnFlow
from harness.providers.call import Overloaded, cause
from harness.virtual_loop import Deadlock
from tests.flow.own_turns import OPENAI, STRIPE, Servers, ask, play
from tests.test_transport import Slow


class Declined(Exception):
    """As Stripe's client has it: the status, and no answer."""

    http_status = 402


class ApiStatusError(Exception):
    """As the clients of models have it."""

    def __init__(self, response: object) -> None:
        super().__init__("told by the server, which may hold anything")
        self.response = response


async def _raises_for_status() -> None:
    (await ask(status=503)).raise_for_status()


async def _wrapped() -> None:
    try:
        await _raises_for_status()
    except httpx.HTTPError as error:
        raise RuntimeError("no luck") from error


async def _in_context() -> None:
    try:
        await _raises_for_status()
    except httpx.HTTPError:
        raise RuntimeError("no luck")  # noqa: B904  # as many clients do


async def _of_an_sdk() -> None:
    raise ApiStatusError(await ask(status=429))


async def _too_slow() -> None:
    await ask(takes=9.0, timeout=2.5)


async def _out_of_own_patience() -> None:
    async with asyncio.timeout(2.5):
        await ask(takes=9.0)


async def _in_a_group() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(_raises_for_status())
        group.create_task(_of_an_sdk())


@pytest.mark.parametrize(
    ("function", "told", "causes"),
    [
        (_raises_for_status, "Overloaded: HTTPStatusError 503", ["Overloaded 503"]),
        (_wrapped, "Overloaded: HTTPStatusError 503", ["Overloaded 503"]),
        (_in_context, "Overloaded: HTTPStatusError 503", ["Overloaded 503"]),
        (_of_an_sdk, "RateLimited: ApiStatusError 429", ["RateLimited 429"]),
        (
            _too_slow,
            "Unreachable: ReadTimeout: nothing came for 2.5 s",
            ["Unreachable: nothing came for 2.5 s"],
        ),
        (_out_of_own_patience, "Unreachable: the function's own patience ran out", []),
        (_in_a_group, "Overloaded: HTTPStatusError 503", ["Overloaded 503", "RateLimited 429"]),
    ],
)
def test_a_fault_of_a_provider_fails_the_turn_with_its_cause(
    function: OwnFlow, told: str, causes: list[str]
) -> None:
    seen = play(function)
    assert (seen.flow.outcome, seen.tally.fault) == ("error", told)
    assert (seen.tally.failed, seen.tally.finished) == (1, 0)
    assert sorted(cause for _, cause in seen.tally.causes) == causes


def test_patience_is_counted_in_virtual_time() -> None:
    assert play(_too_slow).flow.response_ms == 2500.0
    (span,) = play(_out_of_own_patience).spans
    assert (round(span.end_s - span.start_s, 6), span.status) == (2.5, 0)


def test_a_fault_that_the_function_gets_over_is_counted_and_fails_no_turn() -> None:
    async def retrying(turn: OwnTurn) -> str:
        with turn.stage("intent"):
            for status in (503, 429, 200):
                answer = await ask(status=status, takes=0.5)
        answer.raise_for_status()
        return "paid"

    seen = play(retrying)
    assert (seen.flow.outcome, seen.flow.response_ms) == ("paid", 1500.0)
    assert seen.tally.causes == {("intent", "Overloaded 503"): 1, ("intent", "RateLimited 429"): 1}
    assert [(of.status, of.attempt) for of in seen.spans] == [(503, 1), (429, 2), (200, 3)]


@pytest.mark.parametrize("status", [400, 401, 404])
def test_a_call_that_is_refused_is_no_failed_call(status: int) -> None:
    async def refused() -> None:
        assert (await ask(status=status)).status_code == status

    seen = play(refused)
    assert (seen.flow.outcome, seen.tally.causes) == ("ok", {})


def test_a_payment_that_is_refused_is_a_decline_and_a_model_that_wants_money_is_not() -> None:
    async def pays() -> None:
        await ask(STRIPE, status=402)
        raise Declined

    async def asks() -> None:
        await ask(OPENAI, status=402)
        raise Declined

    assert play(pays).flow.outcome == "declined"
    assert play(asks).flow.outcome == "error"


class _Broken(Slow):
    """It breaks off after its pieces."""

    async def __aiter__(self) -> Any:
        async for piece in super().__aiter__():
            yield piece
        raise httpx.ReadError("connection reset by 10.0.0.7")


def test_an_answer_that_breaks_off_is_a_fault_without_what_is_of_this_call_alone() -> None:
    async def broken(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=_Broken((1.0, b"{")))

    async def function() -> None:
        await ask("https://shop.test/")

    seen = play(function, others={"shop.test": httpx.MockTransport(broken)})
    assert seen.flow.outcome == "error"
    assert seen.tally.causes == {("shop.test", "Unreachable: connection reset by #"): 1}
    assert (seen.spans[0].status, seen.flow.response_ms) == (0, 1000.0)


@pytest.mark.parametrize(("url", "of"), [(OPENAI, "openai"), (STRIPE, "stripe")])
def test_what_a_mock_does_not_know_is_told_with_its_path_alone(url: str, of: str) -> None:
    async def function() -> None:
        (await ask(url, status=404, key=1)).raise_for_status()

    path = httpx.URL(url).path
    assert play(function).tally.fault == (
        f"Malformed: HTTPStatusError 404; POST {path}: the mock of {of} knows no such URL, "
        "or nothing of that name"
    )


def test_an_error_that_tells_a_url_is_told_without_its_query() -> None:
    async def function() -> None:
        (await ask(status=302, key=1)).raise_for_status()

    fault = play(function).tally.fault
    assert "for url 'https://api.openai.com/v1/chat/completions'" in fault and "key" not in fault


async def _a_bug() -> None:
    raise KeyError("lost")


async def _a_bug_beside_a_fault() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(_raises_for_status())
        await asyncio.sleep(1.0)
        raise KeyError("lost")


async def _a_response_that_was_good() -> None:
    raise ApiStatusError(await ask(status=200))


async def _waits_for_nothing() -> None:
    await asyncio.open_connection("127.0.0.1", 9)


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (_a_bug, KeyError),
        (_a_bug_beside_a_fault, ExceptionGroup),
        (_a_response_that_was_good, ApiStatusError),
        (_waits_for_nothing, Deadlock),
    ],
)
def test_anything_else_is_a_bug_and_ends_the_run(
    function: Callable[[], Awaitable[None]], kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        play(function)


def test_a_bug_in_a_server_of_ours_is_not_taken_for_a_fault_by_whoever_wraps_it() -> None:
    class Faulty(Servers):
        def decide(self, request: httpx.Request) -> Any:
            raise ZeroDivisionError

    async def function() -> None:
        try:
            await ask()
        except Exception as error:
            raise RuntimeError("connection error") from error

    with pytest.raises(RuntimeError):
        play(function, Faulty())


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_errors_of_both_libraries_are_known(library: str) -> None:
    of = pytest.importorskip(library)
    assert importlib.import_module(library) is of
    timeout = fault_in(of.ReadTimeout("within 30 s"))
    assert timeout is not None and cause(timeout) == "Unreachable: ReadTimeout: within # s"
    answer = of.Response(500, request=of.Request("GET", "http://x"))
    with pytest.raises(of.HTTPStatusError) as told:
        answer.raise_for_status()
    assert isinstance(fault_in(told.value), Overloaded)
    assert fault_in(of.StreamConsumed()) is None


def test_a_chain_that_closes_on_itself_is_looked_through_once() -> None:
    one, other = KeyError(), ValueError()
    one.__cause__, other.__cause__ = other, one
    assert fault_in(one) is None
