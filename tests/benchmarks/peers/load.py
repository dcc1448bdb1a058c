"""How much load a row means, and how long; every generator is asked for the same."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Load:
    """Requests a second at `url` for so many seconds, of which the first `warm_s` do not count: in
    them every tool opens its connections."""

    url: str
    rate: int
    duration_s: float
    warm_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Lengths:
    """Seconds of each kind of measurement, and turns of the one that is counted in turns."""

    load_s: float = 10.0
    warm_s: float = 2.0
    stalled_s: float = 12.0
    mock_s: float = 4.0
    pay_s: float = 8.0
    turns: int = 1_000


USUAL = Lengths()
QUICK = Lengths(load_s=4.0, stalled_s=8.0, mock_s=2.0, pay_s=4.0, turns=60)
