"""Several payments in one chat, with thinking, idle gaps, changes of the method and declines."""

from dataclasses import dataclass

from harness import draws
from harness.flow.agent import Agent
from harness.flow.flow import Chat
from harness.flow.wish import Wish
from scenarios.rules import amounts_rule, demand, seconds_rule, shares_rule, turns_rule
from scenarios.shop import BLOCKED, METHODS, PAYEES


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """Parameters, each settable by `--set name=value`; the shares are assumed, not measured."""

    turns: int = 5
    think_p50_s: float = 20.0
    think_p99_s: float = 120.0
    idle_share: float = 0.10
    idle_min_s: float = 16 * 60.0
    idle_max_s: float = 30 * 60.0
    switch_share: float = 0.10
    decline_share: float = 0.03
    amount_min_minor: int = 500
    amount_max_minor: int = 20_000
    usual_method: str = METHODS[0]

    def __post_init__(self) -> None:
        demand(
            turns_rule(self.turns)
            | shares_rule(self.idle_share, self.switch_share, self.decline_share)
            | seconds_rule("think_p50_s", self.think_p50_s, "think_p99_s", self.think_p99_s)
            | seconds_rule("idle_min_s", self.idle_min_s, "idle_max_s", self.idle_max_s)
            | {"usual_method must be balance or card": self.usual_method in METHODS}
            | amounts_rule(self.amount_min_minor, self.amount_max_minor)
        )

    async def run(self, chat: Chat, agent: Agent) -> None:
        method = self.usual_method
        for turn in range(chat.turns):
            if turn:
                await chat.think(self.pause_s(chat, turn))
                if chat.draw("switch", turn) < self.switch_share:
                    method = METHODS[1 - METHODS.index(method)]
            await agent.pay(chat, self.wish(chat, turn, method))

    def pause_s(self, chat: Chat, turn: int) -> float:
        """Think time, or now and then an idle gap that outlives the session token."""
        u = chat.draw("pause", turn)
        if chat.draw("idle", turn) < self.idle_share:
            return self.idle_min_s + u * (self.idle_max_s - self.idle_min_s)
        return draws.lognormal(u, self.think_p50_s, self.think_p99_s)

    def wish(self, chat: Chat, turn: int, method: str) -> Wish:
        amount = chat.draw_whole(self.amount_min_minor, self.amount_max_minor, "amount", turn)
        declined = chat.draw("decline", turn) < self.decline_share
        payee = BLOCKED if declined else chat.draw_one(PAYEES, "payee", turn)
        return Wish(amount, "CNY", payee, method)
