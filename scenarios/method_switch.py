"""A buyer who cannot decide how to pay: every other wish names another way than the last.

What an app warmed or kept for the old way is worthless then. With two payment providers (--pay A+B)
each of the two ways is one of them; with one, they are two methods of it.
"""

from dataclasses import dataclass

from harness.flow.agent import Agent
from harness.flow.flow import Chat
from harness.flow.wish import Wish
from scenarios.rules import amounts_rule, demand, shares_rule, think_rule, turns_rule
from scenarios.shop import METHODS, PAYEES


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodSwitch:
    turns: int = 6
    switch_share: float = 0.5
    amount_min_minor: int = 500
    amount_max_minor: int = 20_000
    think_s: float = 20.0
    usual_method: str = METHODS[0]

    def __post_init__(self) -> None:
        demand(
            turns_rule(self.turns)
            | shares_rule(self.switch_share)
            | amounts_rule(self.amount_min_minor, self.amount_max_minor)
            | think_rule(self.think_s)
            | {f"usual_method must be {' or '.join(METHODS)}": self.usual_method in METHODS}
        )

    async def run(self, chat: Chat, agent: Agent) -> None:
        way = METHODS.index(self.usual_method)
        for turn in range(chat.turns):
            if turn:
                await chat.think(self.think_s)
            if chat.draw("switch", turn) < self.switch_share:
                way = 1 - way
            amount = chat.draw_whole(self.amount_min_minor, self.amount_max_minor, "amount", turn)
            payee = chat.draw_one(PAYEES, "payee", turn)
            await agent.pay(chat, Wish(amount, "CNY", payee, METHODS[way]), lane=way)
