"""What a user wants, in the user's words and in exact units; it parses no prose."""

import msgspec


class Wish(msgspec.Struct, frozen=True, gc=False):
    """One payment. The amount is in minor units: fen, cents."""

    amount_minor: int
    currency: str
    payee: str
    method: str

    @property
    def amount(self) -> str:
        return major(self.amount_minor)

    def said(self) -> str:
        return f"Please pay {self.amount} {self.currency} to {self.payee} with my {self.method}."


class RefundWish(msgspec.Struct, frozen=True, gc=False):
    """Money back for an earlier payment, which the user knows by its reference; `why` is the
    user's own reason."""

    amount_minor: int
    currency: str
    reference: str
    why: str = ""

    def said(self) -> str:
        amount = f"{major(self.amount_minor)} {self.currency}"
        return f"Please refund {amount} of payment {self.reference}. {self.why}".rstrip()


class SplitWish(msgspec.Struct, frozen=True, gc=False):
    """One bill that several people share, each paying for a part of it."""

    amount_minor: int
    currency: str
    payee: str
    method: str
    people: tuple[str, ...]

    def said(self) -> str:
        people = ", ".join(self.people)
        return (
            f"Please split {major(self.amount_minor)} {self.currency} to {self.payee} "
            f"between {people} with our {self.method}."
        )

    def legs_minor(self) -> list[int]:
        """What each pays: as even as whole minor units can be, the first ones a unit more, and
        together exactly the bill."""
        each, rest = divmod(self.amount_minor, len(self.people))
        return [each + (n < rest) for n in range(len(self.people))]


class QueryWish(msgspec.Struct, frozen=True, gc=False):
    """How an earlier payment stands."""

    reference: str

    def said(self) -> str:
        return f"How does payment {self.reference} stand?"


AnyWish = Wish | RefundWish | SplitWish | QueryWish


def major(amount_minor: int) -> str:
    """In major units with two decimals, as people and models write it: 4580 is "45.80"."""
    whole, cents = divmod(amount_minor, 100)
    return f"{whole}.{_CENTS[cents]}"


_CENTS = tuple(f"{cents:02d}" for cents in range(100))
