"""The three mitigations and their 2^3 combinations; names only, no behaviour."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from itertools import product


@dataclass(frozen=True, slots=True)
class Strategy:
    """Which mitigations are on. All off is the baseline: strictly serial, nothing kept."""

    prewarm: bool = False
    token_cache: bool = False
    parallel_confirm: bool = False

    @property
    def name(self) -> str:
        on = [mitigation for mitigation in MITIGATIONS if getattr(self, mitigation)]
        return "+".join(on) or "baseline"


MITIGATIONS: tuple[str, ...] = tuple(field.name for field in fields(Strategy))


def all_strategies(vary: Sequence[str] = MITIGATIONS) -> list[Strategy]:
    """Every combination of the varied mitigations, the baseline first; the others stay off."""
    return [
        Strategy(**dict(zip(vary, levels, strict=True)))
        for levels in product((False, True), repeat=len(vary))
    ]


def strategy_of(on: Iterable[str]) -> Strategy:
    """The strategy with these mitigations on; an unknown name is a TypeError."""
    return Strategy(**dict.fromkeys(on, True))
