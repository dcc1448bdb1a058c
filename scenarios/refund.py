"""A purchase, and later the wish for money back: a stronger model reasons whether it is due."""

from dataclasses import dataclass
from typing import ClassVar

from harness.flow.agent import Agent, Receipt
from harness.flow.flow import Chat
from harness.flow.model import Role
from harness.flow.wish import RefundWish, Wish
from scenarios.rules import amounts_rule, demand, shares_rule, think_rule, turns_rule
from scenarios.shop import PAYEES

COMPLAINTS = ("The tea was cold.", "It never arrived.", "It is not what the picture showed.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refunding:
    """Every other turn asks for a part of the last purchase back, or for all of it."""

    roles: ClassVar[tuple[Role, ...]] = ("intent", "confirm", "reason")

    turns: int = 2
    amount_min_minor: int = 1000
    amount_max_minor: int = 20_000
    whole_share: float = 0.5
    think_s: float = 120.0
    usual_method: str = "balance"

    def __post_init__(self) -> None:
        demand(
            turns_rule(self.turns)
            | shares_rule(self.whole_share)
            | amounts_rule(self.amount_min_minor, self.amount_max_minor)
            | think_rule(self.think_s)
        )

    async def run(self, chat: Chat, agent: Agent) -> None:
        bought: list[Receipt] = []
        for turn in range(chat.turns):
            if turn:
                await chat.think(self.think_s)
            if bought:
                await agent.refund(chat, self.wish(chat, turn, bought.pop()))
                continue
            amount = chat.draw_whole(self.amount_min_minor, self.amount_max_minor, "amount", turn)
            payee = chat.draw_one(PAYEES, "payee", turn)
            before = len(agent.receipts)
            await agent.pay(chat, Wish(amount, "CNY", payee, self.usual_method))
            bought = agent.receipts[before:]  # Nothing, when the purchase failed.

    def wish(self, chat: Chat, turn: int, bought: Receipt) -> RefundWish:
        back = bought.payment.wish.amount_minor
        if chat.draw("whole", turn) >= self.whole_share:
            back = chat.draw_whole(1, back, "part", turn)
        complaint = chat.draw_one(COMPLAINTS, "complaint", turn)
        return RefundWish(back, "CNY", bought.reference, complaint)
