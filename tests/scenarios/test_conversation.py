"""The conversation scenario: its shares are its parameters, and every strategy hears the same."""

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise

import httpx
import pytest
from msgspec.structs import replace

from harness.clock import VirtualClock, run
from harness.flow.agent import Agent
from harness.flow.flow import Chat, World
from harness.flow.strategy import Strategy, all_strategies
from harness.flow.wish import Wish
from mocks.ledger import BLOCKED_PAYEE
from scenarios.conversation import Conversation
from scenarios.shop import BLOCKED, METHODS, PAYEES
from tests.worlds import Weather, mock_cast, one_round

CONVERSATIONS = 1500
CAST = mock_cast(Weather().mocks())


@dataclass
class Heard:
    """What a listener heard in one conversation: its wishes, and the pauses between them."""

    wishes: list[Wish] = field(default_factory=list)
    pauses_s: list[float] = field(default_factory=list)


class Listener(Agent):
    """An agent that pays nothing and notes what it is asked to pay."""

    def __init__(self, chat: Chat) -> None:
        super().__init__(CAST, Strategy(), chat.user, METHODS[0])
        self.heard = Heard()

    async def pay(
        self, chat: Chat, wish: Wish, *, lane: int = 0, most_score: int | None = None
    ) -> str:
        before = chat.flows[-1].end if chat.flows else None
        async with chat.turn() as flow:
            if before is not None:
                self.heard.pauses_s.append(flow.due - before)
            self.heard.wishes.append(wish)
        return ""


def _hear(scenario: Conversation, seed: int = 1, conversations: int = 1) -> list[Heard]:
    def nowhere(request: httpx.Request) -> httpx.Response:
        raise AssertionError("a listener makes no calls")

    async def main() -> list[Heard]:
        clock = VirtualClock()
        world = World(clock, httpx.MockTransport(nowhere), seed, round=0, mocked=True)
        heard = []
        for n in range(conversations):
            chat = Chat(world, n, f"user-{n}", scenario.turns, clock.now())
            listener = Listener(chat)
            await scenario.run(chat, listener)
            heard.append(listener.heard)
        return heard

    return run("virtual", main())


@pytest.fixture(scope="module")
def heard() -> list[Heard]:
    return _hear(Conversation(), conversations=CONVERSATIONS)


def test_each_conversation_has_its_turns(heard: list[Heard]) -> None:
    assert {len(one.wishes) for one in heard} == {5}
    assert {len(one.pauses_s) for one in heard} == {4}


# Of 6000 pauses a share of 10 % has a standard deviation of 0.4 %, of 7500 payments one of 3 % has
# one of 0.2 %; each tolerance is about four of them.


def test_the_share_of_idle_gaps_is_its_parameter(heard: list[Heard]) -> None:
    pauses = [pause for one in heard for pause in one.pauses_s]
    idle = [pause for pause in pauses if pause >= 16 * 60]
    assert len(idle) / len(pauses) == pytest.approx(0.10, abs=0.016)
    # Every idle gap outlives a session token of 15 minutes, and is over within half an hour.
    assert 900 < min(idle) <= max(idle) <= 30 * 60


def test_think_times_have_the_quantiles_of_their_parameters(heard: list[Heard]) -> None:
    thinks = sorted(pause for one in heard for pause in one.pauses_s if pause < 16 * 60)
    assert thinks[len(thinks) // 2] == pytest.approx(20.0, rel=0.06)
    assert thinks[len(thinks) * 99 // 100] == pytest.approx(120.0, rel=0.2)


def test_the_share_of_switches_is_its_parameter(heard: list[Heard]) -> None:
    methods = [[wish.method for wish in one.wishes] for one in heard]
    assert {one[0] for one in methods} == {"balance"}
    switches = [earlier != later for one in methods for earlier, later in pairwise(one)]
    assert sum(switches) / len(switches) == pytest.approx(0.10, abs=0.016)


def test_the_share_of_declines_is_its_parameter(heard: list[Heard]) -> None:
    payees = [wish.payee for one in heard for wish in one.wishes]
    assert payees.count(BLOCKED) / len(payees) == pytest.approx(0.03, abs=0.008)
    assert set(payees) == {*PAYEES, BLOCKED}


def test_amounts_fill_their_range_and_never_leave_it(heard: list[Heard]) -> None:
    amounts = [wish.amount_minor for one in heard for wish in one.wishes]
    assert 500 <= min(amounts) < 550
    assert 19_950 < max(amounts) <= 20_000
    assert sum(amounts) / len(amounts) == pytest.approx(10_250, rel=0.03)


def test_the_blocked_payee_is_the_one_that_the_mock_declines() -> None:
    assert BLOCKED == BLOCKED_PAYEE


@pytest.mark.parametrize(
    ("scenario", "idle", "switches", "declines"),
    [
        (Conversation(idle_share=0.0, switch_share=0.0, decline_share=0.0), 0, 0, 0),
        (Conversation(idle_share=1.0, switch_share=1.0, decline_share=1.0), 4, 4, 5),
    ],
)
def test_a_share_of_nought_is_never_and_of_one_is_always(
    scenario: Conversation, idle: int, switches: int, declines: int
) -> None:
    for one in _hear(scenario, conversations=20):
        methods = [wish.method for wish in one.wishes]
        assert sum(pause >= 16 * 60 for pause in one.pauses_s) == idle
        assert sum(earlier != later for earlier, later in pairwise(methods)) == switches
        assert sum(wish.payee == BLOCKED for wish in one.wishes) == declines


def test_the_smallest_range_of_amounts_is_one_amount() -> None:
    scenario = Conversation(amount_min_minor=777, amount_max_minor=777)
    assert {wish.amount_minor for wish in _hear(scenario)[0].wishes} == {777}


def test_the_number_of_turns_is_its_parameter() -> None:
    assert len(_hear(Conversation(turns=2))[0].wishes) == 2


def test_a_conversation_is_a_function_of_its_seed() -> None:
    assert _hear(Conversation(), 1, 10) == _hear(Conversation(), 1, 10)
    assert _hear(Conversation(), 1, 10) != _hear(Conversation(), 2, 10)


def test_one_parameter_changes_nothing_but_what_it_names(heard: list[Heard]) -> None:
    plain = _hear(Conversation(), conversations=50)
    declined = _hear(Conversation(decline_share=1.0), conversations=50)
    for one, other in zip(plain, declined, strict=True):
        assert [replace(wish, payee=BLOCKED) for wish in one.wishes] == other.wishes
        # The clock's origin differs by what was heard before: nanoseconds of float, no more.
        assert one.pauses_s == pytest.approx(other.pauses_s, abs=1e-6)


def test_every_strategy_hears_the_same_conversations() -> None:
    scenario = Conversation(idle_share=0.3, switch_share=0.3, decline_share=0.2)
    rows = one_round(turns=50, scenario=scenario).rows
    turns, pauses = defaultdict(set), defaultdict(list)
    ordered = sorted(rows.flows, key=lambda row: (row.variant, row.conversation, row.turn))
    for row in ordered:
        turns[row.conversation, row.turn].add((row.method, row.amount_minor, row.outcome))
    for earlier, later in pairwise(ordered):
        if later.turn:
            pauses[later.conversation, later.turn].append(later.due_s - earlier.end_s)
    assert len(turns) == 50
    assert all(len(told) == 1 for told in turns.values())
    assert len(pauses) == 40
    for gaps in pauses.values():
        assert gaps == pytest.approx([gaps[0]] * len(all_strategies()), abs=1e-6)
    # Nothing of this would mean much if there were no events to share.
    outcomes = [outcome for told in turns.values() for _, _, outcome in told]
    assert {"paid", "declined"} == set(outcomes)
    assert max(gap for gaps in pauses.values() for gap in gaps) > 900
