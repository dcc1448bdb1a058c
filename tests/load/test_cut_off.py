"""What is cut off at the end of a round: only of turns that were not over is it excused that their
payments are in the books as nobody heard."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace

import pytest

from harness.books import Beliefs
from harness.clock import VirtualClock, run
from harness.faults import Placed, Script
from harness.flow.agent import Agent
from harness.flow.flow import Chat, World
from harness.flow.retry import Retries
from harness.in_process import InProcess
from harness.load.engine import Arm, Due, Tally, run_round
from harness.reconcile import Reconciliation, reconcile
from mocks.audit import accounts
from mocks.brain import claim_of
from mocks.host import Host
from tests.worlds import BASELINE, USUAL, WISH, Weather, mock_cast, refund_of


@pytest.fixture(autouse=True)
def no_collection(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred rounds are played here, and each would walk through all that the tests hold."""
    monkeypatch.setattr("harness.load.engine.quiet_gc", nullcontext)


WAIT_S = 20.0
BEGINS_S = 0.5 + 0.4 + 0.6 + 0.7 + WAIT_S
"""When the refund is asked for: the payment's turn is over then."""
SENT_S = BEGINS_S + 0.5 + 1.1 + 0.4
"""When it is sent; it takes 0.6 s."""


def cut_off(after_s: float, *placed: Placed) -> tuple[set[str], Beliefs, Reconciliation]:
    """The intents that were cut off, what the app holds, and what that comes to."""
    clock = VirtualClock()

    async def main() -> tuple[set[str], Beliefs, Reconciliation]:
        config = Weather().mocks()
        host = Host(clock, config, faults=Script(placed))
        cast, beliefs = replace(mock_cast(config), lanes=("wechat-ai",)), Beliefs(claim_of)
        world = World(
            clock, InProcess(host.decide, clock), 1, 0, True, retries=Retries(), beliefs=beliefs
        )

        async def converse(chat: Chat) -> None:
            agent = Agent(cast, BASELINE, chat.user, USUAL)
            await agent.pay(chat, WISH)
            await chat.think(WAIT_S)
            await refund_of(amount_minor=1000)(agent, chat)

        arm = Arm("baseline", world, cast.payers[0].start, converse)
        due = [Due(0.0, 0, arm, "alice", 2)]
        await run_round(clock, [arm], due, Tally(), drain_s=after_s)
        return arm.cut, beliefs, reconcile(accounts(host), beliefs, cut=arm.cut)

    return run("virtual", main())


@pytest.mark.parametrize(
    ("after_s", "cut"),
    [
        (1.2, {"0.0.0"}),
        (BEGINS_S - 1.0, set()),
        (BEGINS_S + 0.1, {"0.0.1"}),
        (SENT_S + 0.1, {"0.0.1"}),
        (SENT_S + 5.0, set()),
    ],
)
def test_only_the_turn_that_was_not_over_was_cut_off(after_s: float, cut: set[str]) -> None:
    was_cut, _, found = cut_off(after_s)
    assert was_cut == cut
    assert found.breaches == []
    assert found.cut_off == ("0.0.0" in cut)


MOMENTS_S = (-1.9, -0.7, -0.1, 0.1, 0.5, 0.7, 1.0, 1.4, 10.0, 29.0, 31.0, 59.0, 60.5, 62.0, 64.0)
"""While it is read, while its session is opened, sent and told; the longer ones where it is waited
for in vain, sent again, and settled later."""
UNTOLD: list[Sequence[Placed]] = [
    [],
    [Placed(1, "refund", "timeouts", lasts=99)],
    [Placed(1, "refund", "lost", lasts=2)],
]


@pytest.mark.parametrize("placed", UNTOLD, ids=["calm", "timeouts", "lost"])
def test_a_refund_that_is_cut_off_at_any_moment_is_reported_where_it_is_not_known(
    placed: Sequence[Placed],
) -> None:
    for after_s in MOMENTS_S:
        _, _, found = cut_off(SENT_S + after_s, *placed)
        assert found.breaches == [], after_s


def test_so_is_one_that_is_cut_off_while_it_is_told_or_settled() -> None:
    placed = [Placed(1, "refund", "errors", lasts=99)]
    for after_s in (1.0, 5.0, 10.0, 20.0, 30.0, 60.0, 600.0):
        _, beliefs, found = cut_off(SENT_S + after_s, *placed)
        (belief,) = beliefs
        assert (belief.outcome, belief.reported, found.breaches) == ("unknown", True, [])
