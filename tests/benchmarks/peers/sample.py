"""What one measurement of one tool gives: figures by name; it judges none of them."""

import math
from collections.abc import Sequence

Sample = dict[str, float]
"""Figures of one measurement by key. A tool that does not tell a figure leaves it out."""


class NoFigures(Exception):
    """A measurement came to nothing; the message is one line that says why."""


def quantiles(values: Sequence[float], *qs: float) -> list[float]:
    """The ceil(n q)-th smallest each, a value that was seen, as in harness.stats.quantiles; written
    out here so that the neutral server and the clients load nothing of the harness."""
    if not values:
        raise NoFigures("nothing was measured")
    ordered = sorted(values)
    return [ordered[max(1, math.ceil(len(ordered) * q - 1e-9)) - 1] for q in qs]
