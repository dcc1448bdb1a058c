"""Several payments in one chat: the scenario that `tollbench compare` runs when none is named.

A user, bound to one WeChat ID, pays for one thing after another. Between payments the user reads
and thinks, sometimes leaves for longer than a session token lives, sometimes changes the payment
method; now and then a payment is declined.
"""

from dataclasses import dataclass

from harness import draws
from harness.flow.agent import Agent
from harness.flow.flow import Chat
from harness.flow.wish import Wish

METHODS = ("balance", "card")
PAYEES = ("noodles", "tea-house", "bookshop", "metro", "pharmacy")
BLOCKED = "payee-blocked"
MONTH_S = 30 * 86_400.0
MOST_MINOR = 1_000_000_000


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
        """Raises ValueError that names every rule broken; NaN breaks each rule it stands in."""
        shares = (self.idle_share, self.switch_share, self.decline_share)
        rules = {
            "turns must be at least 1": self.turns >= 1,
            "each share must be from 0 to 1": all(0 <= share <= 1 for share in shares),
            "think_p50_s must be above 0, think_p99_s not below it, and neither above 30 days": (
                0 < self.think_p50_s <= self.think_p99_s <= MONTH_S
            ),
            "idle_min_s must not be below 0, idle_max_s not below it, and neither above 30 days": (
                0 <= self.idle_min_s <= self.idle_max_s <= MONTH_S
            ),
            "amount_min_minor must be at least 1, and amount_max_minor not below it": (
                1 <= self.amount_min_minor <= self.amount_max_minor
            ),
            f"amount_max_minor must not be above {MOST_MINOR:,}": (
                self.amount_max_minor <= MOST_MINOR
            ),
            f"usual_method must be {' or '.join(METHODS)}": self.usual_method in METHODS,
        }
        broken = [rule for rule, kept in rules.items() if not kept]
        if broken:
            raise ValueError("; ".join(broken))

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
        span = self.amount_max_minor - self.amount_min_minor + 1
        amount_minor = self.amount_min_minor + int(chat.draw("amount", turn) * span)
        payee = PAYEES[int(chat.draw("payee", turn) * len(PAYEES))]
        if chat.draw("decline", turn) < self.decline_share:
            payee = BLOCKED
        return Wish(amount_minor, "CNY", payee, method)
