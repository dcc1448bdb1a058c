"""A dinner among friends: one bill, a leg for each, and all legs taken back when one fails."""

from dataclasses import dataclass

from harness.flow.agent import Agent
from harness.flow.flow import Chat
from harness.flow.wish import SplitWish
from scenarios.rules import amounts_rule, demand, shares_rule, think_rule, turns_rule
from scenarios.shop import PAYEES

FRIENDS = ("an", "bo", "chen", "dai", "en", "fang", "gu", "hua")
BROKE = "broke"
"""A friend of this name cannot pay, so that the whole bill comes to nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitBill:
    turns: int = 2
    people_max: int = 6
    amount_min_minor: int = 6000
    amount_max_minor: int = 60_000
    broke_share: float = 0.05
    think_s: float = 60.0
    usual_method: str = "balance"

    def __post_init__(self) -> None:
        demand(
            turns_rule(self.turns)
            | {f"people_max must be from 2 to {len(FRIENDS)}": 2 <= self.people_max <= len(FRIENDS)}
            | amounts_rule(self.amount_min_minor, self.amount_max_minor)
            | {
                "amount_min_minor must not be below people_max": (
                    self.amount_min_minor >= self.people_max
                )
            }
            | shares_rule(self.broke_share)
            | think_rule(self.think_s)
        )

    async def run(self, chat: Chat, agent: Agent) -> None:
        for turn in range(chat.turns):
            if turn:
                await chat.think(self.think_s)
            people = FRIENDS[: chat.draw_whole(2, self.people_max, "people", turn)]
            if chat.draw("broke", turn) < self.broke_share:
                people = (*people[:-1], BROKE)
            amount = chat.draw_whole(self.amount_min_minor, self.amount_max_minor, "amount", turn)
            payee = chat.draw_one(PAYEES, "payee", turn)
            await agent.split(chat, SplitWish(amount, "CNY", payee, self.usual_method, people))
