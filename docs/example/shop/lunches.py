"""A story of our own: the same customer comes for lunch every day."""

from dataclasses import dataclass

from harness.flow.agent import Agent
from harness.flow.flow import Chat
from harness.flow.wish import Wish


@dataclass(frozen=True)
class Lunches:
    turns: int = 5
    usual_method: str = "balance"

    async def run(self, chat: Chat, agent: Agent) -> None:
        for day in range(chat.turns):
            await chat.think(24 * 3600.0)
            amount_minor = chat.draw_whole(950, 1800, "lunch", day)
            await agent.pay(chat, Wish(amount_minor, "CNY", "noodle-house", self.usual_method))
