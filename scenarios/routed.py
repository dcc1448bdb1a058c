"""Small sums go the cheap way, large ones the usual way: what routing by amount saves and costs.

Below the limit a flat fee is dearer than a share of the amount, above it cheaper, or the other way
round: `--pay SMALL+LARGE` says who takes which.
"""

from dataclasses import dataclass

from harness.flow.agent import Agent
from harness.flow.flow import Chat
from harness.flow.wish import Wish
from scenarios.rules import amounts_rule, demand, think_rule, turns_rule
from scenarios.shop import PAYEES

SMALL, LARGE = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed:
    turns: int = 4
    limit_minor: int = 5000
    amount_min_minor: int = 100
    amount_max_minor: int = 20_000
    think_s: float = 20.0
    usual_method: str = "balance"

    def __post_init__(self) -> None:
        demand(
            turns_rule(self.turns)
            | amounts_rule(self.amount_min_minor, self.amount_max_minor)
            | {"limit_minor must not be below 0": self.limit_minor >= 0}
            | think_rule(self.think_s)
        )

    async def run(self, chat: Chat, agent: Agent) -> None:
        for turn in range(chat.turns):
            if turn:
                await chat.think(self.think_s)
            amount = chat.draw_whole(self.amount_min_minor, self.amount_max_minor, "amount", turn)
            payee = chat.draw_one(PAYEES, "payee", turn)
            way = SMALL if amount < self.limit_minor else LARGE
            await agent.pay(chat, Wish(amount, "CNY", payee, self.usual_method), lane=way)
