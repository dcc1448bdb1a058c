"""Small tips for a street singer: under 10 CNY each, worth it only if they are quick and cheap.

A listener gives nobody three seconds for a coin. What counts here is the share of turns within one
second, and how much of the tip the fee eats.
"""

from dataclasses import dataclass

from harness.flow.agent import Agent
from harness.flow.flow import Chat
from harness.flow.wish import Wish
from scenarios.rules import amounts_rule, demand, think_rule, turns_rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Tipping:
    turns: int = 4
    amount_min_minor: int = 100
    amount_max_minor: int = 999
    think_s: float = 15.0
    usual_method: str = "balance"

    def __post_init__(self) -> None:
        demand(
            turns_rule(self.turns)
            | amounts_rule(self.amount_min_minor, self.amount_max_minor)
            | {
                "a tip is under 10 CNY: amount_max_minor must be below 1000": (
                    self.amount_max_minor < 1000
                )
            }
            | think_rule(self.think_s)
        )

    async def run(self, chat: Chat, agent: Agent) -> None:
        for turn in range(chat.turns):
            if turn:
                await chat.think(self.think_s)
            tip = chat.draw_whole(self.amount_min_minor, self.amount_max_minor, "tip", turn)
            await agent.pay(chat, Wish(tip, "CNY", "street-singer", self.usual_method))
