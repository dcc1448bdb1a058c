"""A model provider goes down in the middle of the run: what a gateway with a fallback is worth.

Run it with `--gateway NAME --fallback MODEL`, as it is by default, and without, to see the
difference: the same calls meet the same outage.
"""

from dataclasses import dataclass

from harness.flow.agent import Agent
from harness.flow.flow import Chat
from harness.flow.model import Outage
from harness.flow.wish import Wish
from scenarios.rules import MONTH_S, amounts_rule, demand, think_rule, turns_rule
from scenarios.shop import PAYEES


@dataclass(frozen=True, slots=True, kw_only=True)
class Failover:
    """The provider of the model that reads wishes is down from `down_from_s` after a round's first
    call on, for `down_for_s`."""

    turns: int = 6
    down_from_s: float = 10.0
    down_for_s: float = 15.0
    amount_min_minor: int = 500
    amount_max_minor: int = 20_000
    think_s: float = 5.0
    usual_method: str = "balance"

    def __post_init__(self) -> None:
        demand(
            turns_rule(self.turns)
            | {
                "down_from_s and down_for_s must be from 0 to 30 days": (
                    0 <= self.down_from_s <= MONTH_S and 0 <= self.down_for_s <= MONTH_S
                )
            }
            | amounts_rule(self.amount_min_minor, self.amount_max_minor)
            | think_rule(self.think_s)
        )

    @property
    def outages(self) -> tuple[Outage, ...]:
        return (Outage("intent", self.down_from_s, self.down_for_s),)

    async def run(self, chat: Chat, agent: Agent) -> None:
        for turn in range(chat.turns):
            if turn:
                await chat.think(self.think_s)
            amount = chat.draw_whole(self.amount_min_minor, self.amount_max_minor, "amount", turn)
            payee = chat.draw_one(PAYEES, "payee", turn)
            await agent.pay(chat, Wish(amount, "CNY", payee, self.usual_method))
