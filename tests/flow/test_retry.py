"""Sending again: how often, after which pause, out of whose budget, and after which fault."""

import httpx
import pytest

from harness.clock import VirtualClock, run
from harness.faults import Fault, Placed
from harness.flow.agent import Agent
from harness.flow.flow import Chat, Flow, World
from harness.flow.guard import Guarded
from harness.flow.retry import Retries, again, not_done, passing
from harness.providers.call import (
    Malformed,
    Overloaded,
    ProviderFault,
    RateLimited,
    Unauthorized,
    Unreachable,
    fault_of,
)
from tests.flow.struck import play_struck
from tests.worlds import BASELINE, TOKEN_CACHE, WISH


def _flow(retries: Retries | None, seed: int = 1, conversation: int = 0) -> Flow:
    def nowhere(request: httpx.Request) -> httpx.Response:
        raise AssertionError("nothing here is a call")

    world = World(VirtualClock(), httpx.MockTransport(nowhere), seed, 0, True, retries=retries)
    return Flow(world, conversation, 0, 0.0, 0.0)


class _Tries:
    """Fails as often as told, with that fault."""

    def __init__(self, failures: int, fault: ProviderFault | None = None) -> None:
        self.made = 0
        self._failures = failures
        self._fault = fault or Unreachable("lost")

    async def __call__(self) -> str:
        self.made += 1
        if self.made <= self._failures:
            raise self._fault
        return "done"


def _send(flow: Flow, tries: _Tries, whom: str = "") -> tuple[str, float]:
    """What came of it, and when."""

    async def main() -> tuple[str, float]:
        try:
            came = await again(flow, "query", tries, passing, whom)
        except ProviderFault as fault:
            came = type(fault).__name__
        return came, flow.now()

    return run("virtual", main())


@pytest.mark.parametrize(
    ("most", "failures", "made", "came"),
    [
        (2, 0, 1, "done"),
        (2, 1, 2, "done"),
        (2, 2, 3, "done"),
        (2, 3, 3, "Unreachable"),
        (0, 1, 1, "Unreachable"),
        (5, 4, 5, "done"),
    ],
)
def test_a_call_is_made_at_most_so_many_times_more(
    most: int, failures: int, made: int, came: str
) -> None:
    tries = _Tries(failures)
    assert (_send(_flow(Retries(most)), tries)[0], tries.made) == (came, made)


def test_without_retries_nothing_is_sent_again_and_nothing_waits() -> None:
    tries = _Tries(1)
    assert (_send(_flow(None), tries), tries.made) == (("Unreachable", 0.0), 1)


@pytest.mark.parametrize("seed", range(20))
def test_a_pause_is_anything_up_to_twice_the_longest_of_the_one_before(seed: int) -> None:
    retries = Retries(most=3, pause_s=0.5, longest_s=1.5)
    assert [retries.longest_pause_s(failed) for failed in (1, 2, 3, 4)] == [0.5, 1.0, 1.5, 1.5]
    pauses = [_send(_flow(Retries(most=1), seed, n), _Tries(1))[1] for n in range(20)]
    assert 0.0 < min(pauses) < 0.25 < max(pauses) < 0.5
    assert len(set(pauses)) == len(pauses)


def test_the_pauses_are_the_same_in_every_strategy_and_apart_for_two_providers() -> None:
    first, same = (_send(_flow(Retries()), _Tries(2), "stripe") for _ in range(2))
    assert first == same
    assert _send(_flow(Retries()), _Tries(2), "flat") != first


def test_a_brownout_is_met_by_a_fifth_of_the_calls_once_what_was_saved_is_spent() -> None:
    """Ten may be sent again at once; after that each first try earns a fifth of one more."""
    retries = Retries(most=2, earned=0.2, left=10.0)
    flow, made = _flow(retries), 0
    for _ in range(200):
        tries = _Tries(9)
        _send(flow, tries)
        made += tries.made
    assert 200 + 49 <= made <= 200 + 50
    assert retries.left < 1.0


def test_good_times_save_only_so_much() -> None:
    retries = Retries(saved=12.0)
    flow = _flow(retries)
    for _ in range(100):
        _send(flow, _Tries(0))
    assert retries.left == 12.0


@pytest.mark.parametrize(
    ("fault", "is_passing", "is_not_done"),
    [
        (Unreachable("no whole answer within 30 s"), True, False),
        (Overloaded("503", status=503), True, False),
        (RateLimited("429", status=429), True, True),
        (Malformed("not a Receipt: truncated", what="no JSON"), True, False),
        (Malformed("the stream ended before [DONE]"), True, False),
        (Malformed("the stream ended before message_stop"), True, False),
        (Malformed("authorize refused: BAD_SEAL"), False, False),
        (Guarded("2 tool calls for one wish"), False, False),
        (Unauthorized("401", status=401), False, False),
        (fault_of(400, code="bad"), False, False),
        (fault_of(500), True, False),
    ],
)
def test_which_faults_may_pass_and_which_surely_did_nothing(
    fault: ProviderFault, is_passing: bool, is_not_done: bool
) -> None:
    assert (passing(fault), not_done(fault)) == (is_passing, is_not_done)
    tries = _Tries(1, fault)
    _send(_flow(Retries(most=1)), tries)
    assert tries.made == 1 + is_passing


@pytest.mark.parametrize("fault", ["lost", "reset", "cut", "errors", "rate-limits", "overloads"])
@pytest.mark.parametrize("stage", ["intent", "confirm", "session"])
def test_a_model_and_a_session_are_asked_for_again(stage: str, fault: Fault) -> None:
    struck = play_struck(BASELINE, [WISH], Placed(0, stage, fault, lasts=2))
    assert (struck.outcomes, struck.stages().count(stage)) == (["paid"], 3)
    assert struck.books() == [("alice-0", "paid")]


def test_a_session_that_the_wallet_knows_to_have_run_out_is_refreshed_and_not_used() -> None:
    async def expire(agent: Agent, chat: Chat) -> str:
        agent._purse.wallets[0].expire()
        return await agent.pay(chat, WISH)

    struck = play_struck(TOKEN_CACHE, [WISH, 20.0, expire])
    assert struck.stages(1) == ["intent", "refresh", "pay", "confirm"]
