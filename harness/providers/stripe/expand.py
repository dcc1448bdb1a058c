"""Whole objects in the place of their ids, where a call asks for it; it looks nothing up itself.

    expand[]=latest_charge.balance_transaction       in a list: expand[]=data.latest_charge

Source: Stripe API reference, "Expanding responses".
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from harness.providers.stripe.form import Unfit
from harness.providers.stripe.objects import Thing

MOST_LEVELS = 4
LISTED = "data of "
"""Before the name of a collection: a list of it."""

_LEADS: Mapping[str, Mapping[str, str]] = {
    "payment_intents": {
        "customer": "customers",
        "latest_charge": "charges",
        "payment_method": "payment_methods",
    },
    "charges": {
        "balance_transaction": "balance_transactions",
        "customer": "customers",
        "payment_intent": "payment_intents",
    },
    "refunds": {
        "balance_transaction": "balance_transactions",
        "charge": "charges",
        "payment_intent": "payment_intents",
    },
    "payment_methods": {"customer": "customers"},
}
"""What can be expanded in which kind of object, and what it is then."""


def check(paths: Sequence[str], kind: str) -> None:
    """Raises Unfit for a path that cannot be expanded in that kind of answer."""
    for path in paths:
        steps, at = path.split("."), kind
        if len(steps) > MOST_LEVELS + kind.startswith(LISTED):
            raise Unfit(f"You cannot expand more than {MOST_LEVELS} levels of a property")
        for step in steps:
            if at.startswith(LISTED) and step == "data":
                at = at.removeprefix(LISTED)
            elif step in _LEADS.get(at, {}):
                at = _LEADS[at][step]
            else:
                raise Unfit(f"This property cannot be expanded ({path[:80]}).")


def expanded(
    reply: msgspec.Struct, paths: Sequence[str], find: Callable[[str], Thing | None]
) -> object:
    """The reply as plain data, with what the paths, checked before, lead to."""
    plain = msgspec.to_builtins(reply)
    for path in paths:
        _expand(plain, path.split("."), find)
    return plain


def _expand(at: object, steps: Sequence[str], find: Callable[[str], Thing | None]) -> None:
    if isinstance(at, list):
        for one in at:
            _expand(one, steps, find)
    elif steps and isinstance(at, dict):
        step, *rest = steps
        if step != "data" and isinstance(at[step], str):
            at[step] = msgspec.to_builtins(find(at[step])) or at[step]
        _expand(at[step], rest, find)
