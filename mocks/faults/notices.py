"""What goes wrong with a notice on its way to the app; it carries none, and knows no wire.

Each fault is that of the call whose doing is told. Of a forgery the content is its provider's: it
alone knows what a true notice of it looks like. Struck are the notices of alipay-ai; no client of
ours hears Stripe's, which go wrong as its profile says.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx

from harness.faults import Fault
from harness.providers.told import DrawKey

LATE_S = 60.0
"""How much later than usual a late notice comes: long after its app has given it up."""

MOST_HELD_S = 300.0
"""How long a notice is held back where no other one of its order comes."""

StrikesNotice = Callable[[Fault, DrawKey], bool]
"""Whether that fault strikes at the notices of that call."""

Forge = Callable[[], Sequence[httpx.Request]]
"""Notices of the same order with another end, by somebody who has not the provider's key."""


@dataclass(frozen=True, slots=True)
class Way:
    """How one notice travels. `lost` is at every try; `early` is at the arrival of the call, before
    its answer; `held` is until the next notice of the same order was sent."""

    twice: bool = False
    held: bool = False
    lost: bool = False
    early: bool = False
    late: bool = False
    forged: bool = False


STRAIGHT = Way()


def way_of(strikes: StrikesNotice, key: DrawKey, *, forgeable: bool) -> Way:
    return Way(
        twice=strikes("notices-twice", key),
        held=strikes("notices-reordered", key),
        lost=strikes("notices-lost", key),
        early=strikes("notices-early", key),
        late=strikes("notices-late", key),
        forged=forgeable and strikes("notices-forged", key),
    )
