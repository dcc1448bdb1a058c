"""What a user wants paid, in the user's words and in exact units; it parses no prose."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wish:
    """One payment. The amount is in minor units: fen, cents."""

    amount_minor: int
    currency: str
    payee: str
    method: str

    @property
    def amount(self) -> str:
        """In major units with two decimals, as people and models write it: 4580 is "45.80"."""
        return f"{self.amount_minor // 100}.{self.amount_minor % 100:02d}"

    def said(self) -> str:
        return f"Please pay {self.amount} {self.currency} to {self.payee} with my {self.method}."
