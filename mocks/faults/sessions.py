"""A session token that ends just before the call that it came with arrives: taken back, or run out.

It knows no wire, and no token that a provider did not issue.
"""

from collections.abc import Callable, MutableMapping
from typing import TypeVar

from harness.providers.told import DrawKey
from mocks.setting import Setting

Issued = TypeVar("Issued")


def end_early(
    setting: Setting,
    provider: str,
    key: DrawKey,
    issued: MutableMapping[str, Issued],
    token: str,
    ended: Callable[[Issued], Issued],
) -> None:
    """Where a fault strikes that call, its token is none any more, or what `ended` makes of it. How
    a session is refreshed is as it was."""
    if setting.faults is None or token not in issued:
        return
    if setting.strikes("revoked", provider, key):
        del issued[token]
    elif setting.strikes("expired", provider, key):
        issued[token] = ended(issued[token])
