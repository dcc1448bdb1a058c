"""One purchase, from the wish to the confirmation: what a shop's checkout is measured by."""

from dataclasses import dataclass

from harness.flow.agent import Agent
from harness.flow.flow import Chat
from harness.flow.wish import Wish
from scenarios.rules import amounts_rule, demand, shares_rule, turns_rule
from scenarios.shop import BLOCKED, PAYEES


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """A buyer who has never been here: no session is warm from before, none is used again."""

    turns: int = 1
    amount_min_minor: int = 1000
    amount_max_minor: int = 50_000
    decline_share: float = 0.03
    usual_method: str = "balance"

    def __post_init__(self) -> None:
        demand(
            turns_rule(self.turns)
            | shares_rule(self.decline_share)
            | amounts_rule(self.amount_min_minor, self.amount_max_minor)
        )

    async def run(self, chat: Chat, agent: Agent) -> None:
        for turn in range(chat.turns):
            amount = chat.draw_whole(self.amount_min_minor, self.amount_max_minor, "amount", turn)
            payee = chat.draw_one(PAYEES, "payee", turn)
            if chat.draw("decline", turn) < self.decline_share:
                payee = BLOCKED
            await agent.pay(chat, Wish(amount, "CNY", payee, self.usual_method))
