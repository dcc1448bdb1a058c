"""Every wish is scored for fraud beside the model that reads it: what safety adds to a turn."""

from dataclasses import dataclass
from typing import ClassVar

from harness.flow.agent import Agent
from harness.flow.flow import Chat
from harness.flow.model import Role
from harness.flow.wish import Wish
from scenarios.rules import amounts_rule, demand, shares_rule, think_rule, turns_rule
from scenarios.shop import PAYEES

SUSPECT = "payee-suspect"
"""The scoring model finds this payee most suspicious."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FraudChecked:
    """A payment waits for both models; one that scores above `most_score` of 100 is declined."""

    roles: ClassVar[tuple[Role, ...]] = ("intent", "confirm", "score")

    turns: int = 4
    most_score: int = 80
    suspect_share: float = 0.05
    amount_min_minor: int = 500
    amount_max_minor: int = 50_000
    think_s: float = 20.0
    usual_method: str = "balance"

    def __post_init__(self) -> None:
        demand(
            turns_rule(self.turns)
            | {"most_score must be from 0 to 100": 0 <= self.most_score <= 100}
            | shares_rule(self.suspect_share)
            | amounts_rule(self.amount_min_minor, self.amount_max_minor)
            | think_rule(self.think_s)
        )

    async def run(self, chat: Chat, agent: Agent) -> None:
        for turn in range(chat.turns):
            if turn:
                await chat.think(self.think_s)
            amount = chat.draw_whole(self.amount_min_minor, self.amount_max_minor, "amount", turn)
            suspect = chat.draw("suspect", turn) < self.suspect_share
            payee = SUSPECT if suspect else chat.draw_one(PAYEES, "payee", turn)
            wish = Wish(amount, "CNY", payee, self.usual_method)
            await agent.pay(chat, wish, most_score=self.most_score)
