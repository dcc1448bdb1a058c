"""What a model may ask for: exactly what the user spoke of, checked before anything is sent.

A model can be wrong or be talked into things, so no figure of its own ever reaches a provider.
"""

from dataclasses import fields
from typing import TypeVar

from harness.flow.wish import QueryWish, RefundWish, SplitWish, Wish
from harness.providers.call import Malformed

WishT = TypeVar("WishT", Wish, RefundWish, SplitWish, QueryWish)

USERS_OWN = ("why",)
"""What the user says and no tool repeats."""


class Guarded(Malformed):
    """The model's answer breaks its schema, or asks for what the user did not: it was stopped."""


def allow(asked: object, said: WishT) -> WishT:
    """The wish, when the model asks for what the user said; otherwise Guarded, which names the
    fields that differ and not what they held."""
    if type(asked) is not type(said):
        raise Guarded("the model asked for another kind of thing than the user")
    names = [field.name for field in fields(said) if field.name not in USERS_OWN]
    wrong = [name for name in names if getattr(asked, name) != getattr(said, name)]
    if wrong:
        raise Guarded(f"the model asked for another {', '.join(wrong)} than the user")
    return said
