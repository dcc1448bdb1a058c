"""What an app holds of its payments once it has forgotten the oldest of them: nothing is held anew
of what was forgotten, and nothing of what was never sent."""

from dataclasses import replace

import pytest

from harness.books import Belief, Beliefs
from harness.clock import VirtualClock, run
from harness.faults import Placed, Script
from harness.flow.agent import Agent
from harness.flow.flow import Chat, World
from harness.flow.wish import SplitWish
from harness.in_process import InProcess
from harness.reconcile import Reconciliation, reconcile
from mocks.audit import accounts
from mocks.brain import claim_of
from mocks.host import Host
from tests.flow.struck import play_struck
from tests.worlds import BASELINE, USUAL, WISH, Weather, mock_cast, refund_of

BILL = SplitWish(10_000, "CNY", "noodles", "balance", ("an", "bo", "chen"))


def forgetful(*placed: Placed) -> tuple[Beliefs, Reconciliation]:
    """Two payments, of which the app keeps the last, and then a part of the first goes back."""
    clock, beliefs = VirtualClock(), Beliefs(claim_of, most=1)

    async def main() -> Reconciliation:
        config = Weather().mocks()
        host = Host(clock, config, faults=Script(placed))
        world = World(clock, InProcess(host.decide, clock), 1, 0, True, beliefs=beliefs)
        cast = replace(mock_cast(config), lanes=("wechat-ai",))
        agent, chat = Agent(cast, BASELINE, "alice", USUAL), Chat(world, 0, "alice", 3, clock.now())
        await agent.pay(chat, WISH)
        await agent.pay(chat, WISH)
        await refund_of(amount_minor=1000)(agent, chat)
        for flow in chat.flows:
            await flow.join()
        return reconcile(accounts(host), beliefs, forgotten=beliefs.forgotten)

    return beliefs, run("virtual", main())


@pytest.mark.parametrize("placed", [[], [Placed(2, "refund", "timeouts", lasts=2)]])
def test_of_a_payment_that_was_forgotten_a_refund_holds_nothing(placed: list[Placed]) -> None:
    beliefs, found = forgetful(*placed)
    assert [belief.order_no for belief in beliefs] == ["alice-1"]
    assert (beliefs.forgotten, found.breaches) == (1, [])


def test_a_leg_that_was_never_sent_is_shown_nothing() -> None:
    struck = play_struck(BASELINE, [BILL], Placed(0, "session", "lost"), retries=None)
    beliefs = struck.world.beliefs
    assert beliefs is not None
    assert [belief.order_no for belief in beliefs] == ["alice-0-1", "alice-0-2"]
    never_sent = Belief("alice-0-0", "wechat-ai", "0.0.0", "unknown", 3334, "CNY")
    beliefs.hold(never_sent)
    assert never_sent.shown == []
