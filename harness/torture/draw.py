"""The case of a number: drawn so that every fault comes to every stage under every strategy.

It knows no world. A case is a function of the base seed, its number and the field alone. Its first
fault is the next of all that can be reached, in a seeded order; what must go wrong before it is
placed too, and around both some more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from harness import draws
from harness.faults import BURSTING, Fault, Placed
from harness.torture.cases import STRATEGIES, Away, Case
from harness.torture.odds import (
    AROUND,
    AWAY_SHARE,
    BENT,
    CALM_SHARE,
    COMPANY_SHARE,
    DONE,
    FOR_EVER,
    FOR_EVER_SHARE,
    HOURS_S,
    LATER_SHARE,
    MONTH_S,
    MONTH_SHARE,
    MORE_SHARE,
    MOST_AT_ONCE,
    MOST_FAILING,
    NOT_DONE,
    OTHER_TURNS,
    ROTATED_SHARE,
    STALE,
    STALE_SHARE,
    TURNED_AWAY_SHARE,
    TURNS,
    UNCLEAR_SHARE,
    UNDONE_SHARE,
    aims_at,
    calm_at,
    is_calm,
    is_grave,
    others_at,
    rarity,
    times_aimed_at,
    wanted,
)
from harness.torture.reach import (
    TWO_LANES,
    Cell,
    Place,
    can_meet,
    places_of,
    reachable,
)

T = TypeVar("T")

Options = Sequence[tuple[Cell, float]]


@dataclass(frozen=True, slots=True)
class Field:
    """What cases are drawn from. Lanes are payment profiles, each with its provider."""

    scenarios: tuple[str, ...]
    lanes: tuple[tuple[str, str], ...]
    strategies: tuple[str, ...] = tuple(STRATEGIES)

    @property
    def providers(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(provider for _, provider in self.lanes))


def case_of_number(base: int, number: int, field: Field) -> Case:
    luck = _Luck(base, number)
    strategy = field.strategies[number % len(field.strategies)]
    aims = _aims(base, field)
    first = aims[number // len(field.strategies) % len(aims)]
    places = places_of(first, field.scenarios, field.providers)
    place = luck.weighed([(of, wanted(of, first)) for of in places], "place")
    drawing = _Drawing(luck, place, strategy)
    drawing.draw(first)
    return Case(
        place.scenario,
        _lanes(luck, place, field),
        strategy,
        int(luck.draw("world") * 1e9),
        drawing.turns,
        tuple(sorted(drawing.faults)),
        tuple(sorted(drawing.aways)),
    )


class _Luck:
    def __init__(self, base: int, number: int) -> None:
        self.draw = draws.uniforms(base, "torture", number)

    def one(self, options: Sequence[T], *what: int | str) -> T:
        return options[int(self.draw(*what) * len(options))]

    def happens(self, share: float, *what: int | str) -> bool:
        return self.draw(*what) < share

    def weighed(self, options: Sequence[tuple[T, float]], *what: int | str) -> T:
        left = self.draw(*what) * sum(weight for _, weight in options)
        for option, weight in options:
            left -= weight
            if left < 0:
                return option
        return options[-1][0]


@cache
def _aims(base: int, field: Field) -> tuple[Cell, ...]:
    """All that must be aimed at and can be reached, shuffled."""
    cells = [
        of for of in reachable(field.scenarios, field.providers) for _ in range(times_aimed_at(of))
    ]
    order = draws.uniforms(base, "torture order")
    ranks = sorted(range(len(cells)), key=lambda n: order(n))
    return tuple(cells[n] for n in ranks)


def _lanes(luck: _Luck, place: Place, field: Field) -> tuple[str, ...]:
    own = [lane for lane, provider in field.lanes if provider == place.provider]
    first = luck.one(own, "lane")
    others = [lane for lane, _ in field.lanes if lane != first]
    share = 0.5 if place.scenario in TWO_LANES else 0.1
    if not others or not luck.happens(share, "two lanes"):
        return (first,)
    both = (first, luck.one(others, "other lane"))
    return both if luck.happens(0.5, "lane order") else both[::-1]


class _Drawing:
    """One case in the making, turn after turn."""

    def __init__(self, luck: _Luck, place: Place, strategy: str) -> None:
        self.turns = luck.one(TURNS.get(place.scenario, OTHER_TURNS), "turns")
        self.faults: set[Placed] = set()
        self.aways: set[Away] = set()
        self._luck = luck
        self._place = place
        self._cached = STRATEGIES[strategy].token_cache

    def draw(self, first: Cell) -> None:
        """`first` is what is aimed at in one of the turns."""
        if first.fault == "storms":
            self.turns = max(2, self.turns)
        fitting = [n for n in range(self.turns) if first in (of for of, _ in self._aims_in(n))]
        aimed = fitting[-1] if first.fault == "storms" else self._luck.one(fitting, "turn")
        for turn in range(self.turns):
            if turn and self._luck.happens(AWAY_SHARE, "away", turn):
                self._away(turn, self._how_long(turn))
            if turn == aimed:
                self._play(turn, first)
            elif turn + 1 == aimed and self._refunds(aimed):
                pass  # What is to be given back must have been paid.
            else:
                self._play(turn, self._luck.weighed(self._aims_in(turn), "aim", turn))
            self._around(turn)

    def _aims_in(self, turn: int) -> tuple[tuple[Cell, float], ...]:
        return aims_at(self._place, self._refunds(turn))

    def _play(self, turn: int, aim: Cell) -> None:
        """The aim with what leads to it, in the order in which the turn comes to it: the session
        is stale, then the key has rotated, then the payment goes wrong, is asked for, is undone."""
        act = "refund" if self._refunds(turn) else "pay"
        if aim.stage in AROUND or (is_grave(aim) and aim.stage == act):
            self._place_at(turn, aim, surely=True)
            return
        attempt = 1
        if self._comes(turn, aim, "refresh", STALE_SHARE):
            aged = turn and self._cached and self._luck.happens(0.4, "aged", turn)
            if aged:
                self._away(turn, self._luck.one(HOURS_S, "aged by", turn))
            else:
                self._lead(turn, act, STALE, attempt)
                attempt += 1
            self._place_at(turn, self._cell(turn, "refresh", aim))
        if self._comes(turn, aim, "key", ROTATED_SHARE):
            if turn and self._luck.happens(0.4, "month", turn):
                self._away(turn, MONTH_S)
            else:
                self._lead(turn, act, ("rotations",), attempt)
                attempt += 1
            self._place_at(turn, self._cell(turn, "key", aim))
        if aim.stage == "close":
            self._place_at(turn, aim)
        if aim.stage == act:
            self._place_at(turn, aim, attempt=attempt, calmly=is_calm(aim))
            self._follow(turn, aim)
        elif act == "pay" and self._is_unclear(turn, aim):
            self._leave_open(turn, aim, attempt)
        elif act == "pay" and self._luck.happens(self._calm_share(), "calm", turn):
            calm = self._luck.weighed(calm_at(self._place, act), "calm one", turn)
            self._place_at(turn, calm, attempt=attempt, calmly=True)

    def _comes(self, turn: int, aim: Cell, stage: str, share: float) -> bool:
        """Whether the turn comes to that stage, in which it must if it is aimed at."""
        if aim.stage == stage:
            return True
        return bool(others_at(self._place, stage)) and self._luck.happens(share, stage, turn)

    def _calm_share(self) -> float:
        return CALM_SHARE if can_meet(self._place.provider, Cell("notices-lost", "pay")) else 0.1

    def _follow(self, turn: int, aim: Cell) -> None:
        """What the turn comes to when a payment went so wrong."""
        if aim.stage != "pay" or is_calm(aim):
            return
        if self._luck.happens(UNCLEAR_SHARE, "asked", turn):
            self._place_at(turn, self._cell(turn, "query", aim))
        if aim.fault in NOT_DONE and self._luck.happens(UNDONE_SHARE, "undone", turn):
            self._place_at(turn, self._cell(turn, "reverse", aim))

    def _is_unclear(self, turn: int, aim: Cell) -> bool:
        if aim.stage == "close":
            return False
        return aim.stage in ("query", "reverse") or self._luck.happens(
            UNCLEAR_SHARE, "unclear", turn
        )

    def _leave_open(self, turn: int, aim: Cell, attempt: int) -> None:
        if self._luck.happens(TURNED_AWAY_SHARE, "turned away", turn):
            self._lead(turn, "pay", ("rate-limits",), attempt)
            attempt += 1
        undone = aim.stage == "reverse" or self._luck.happens(UNDONE_SHARE, "undone", turn)
        if undone and aim.fault != "cancels" and self._luck.happens(0.2, "cancelled", turn):
            self._lead(turn, "pay", ("cancels",), attempt)
        else:
            self._lead(turn, "pay", NOT_DONE if undone else DONE, attempt)
            if aim.stage == "query" or self._luck.happens(0.5, "asked", turn):
                self._place_at(turn, self._cell(turn, "query", aim))
        if undone:
            self._place_at(turn, self._cell(turn, "reverse", aim))

    def _cell(self, turn: int, stage: str, aim: Cell) -> Cell:
        """The aim, if it is at that stage, else any other that can be there."""
        if aim.stage == stage:
            return aim
        others = self._new(turn, others_at(self._place, stage))
        return self._luck.weighed(others, "which", turn, stage)

    def _new(self, turn: int, options: Options) -> Options:
        """Who has cancelled in that turn does not cancel again."""
        if not any((of.turn, of.fault) == (turn, "cancels") for of in self.faults):
            return options
        return [(cell, much) for cell, much in options if cell.fault != "cancels"]

    def _around(self, turn: int) -> None:
        for stage, share in AROUND.items():
            if stage == "reason" and not self._refunds(turn):
                continue
            able = others_at(self._place, stage)
            if able and self._luck.happens(share, "around", turn, stage):
                self._place_at(turn, self._luck.weighed(able, "which", turn, stage))

    def _lead(self, turn: int, stage: str, faults: Sequence[Fault], attempt: int) -> None:
        """Something else depends on it: it strikes that attempt, and no other."""
        able = [
            (of, rarity(Cell(of, stage)))
            for of in faults
            if can_meet(self._place.provider, Cell(of, stage))
        ]
        fault = self._luck.weighed(able, "lead", turn, stage, attempt)
        self.faults.add(Placed(turn, stage, fault, attempt))

    def _place_at(
        self,
        turn: int,
        cell: Cell,
        *,
        attempt: int = 1,
        surely: bool = False,
        calmly: bool = False,
    ) -> None:
        """Mostly with more at the same stage: where it leaves the call as it is, at the same
        attempt, and where the call is made again for it, at the next one. Unless it is to last for
        ever, an attempt is left that can go well. What changes the turn comes alone, and surely."""
        surely = surely or is_grave(cell)
        if (
            not surely
            and attempt == 1
            and self._luck.happens(LATER_SHARE, "later", turn, cell.stage)
        ):
            attempt = 2
        last = attempt + MOST_FAILING.get(cell.stage, 2)
        for n in range(MOST_AT_ONCE):
            what = (turn, cell.stage, n)
            lasts = min(self._lasts(cell.fault, *what), last - attempt)
            if n == 0 and not surely and self._luck.happens(FOR_EVER_SHARE, "for ever", *what[:2]):
                lasts = FOR_EVER
            self.faults.add(Placed(turn, cell.stage, cell.fault, attempt, lasts))
            if not surely and not is_calm(cell) and cell.fault != "lost":
                self._accompany(turn, cell.stage, attempt)
            if cell.fault in BENT:
                return
            attempt += 0 if is_calm(cell) else lasts
            others = self._new(turn, (calm_at if calmly else others_at)(self._place, cell.stage))
            if surely or attempt >= last or not others:
                return
            if not self._luck.happens(MORE_SHARE, "more", *what):
                return
            cell = self._luck.weighed(others, "another", *what)

    def _accompany(self, turn: int, stage: str, attempt: int) -> None:
        """The same attempt is late as well, or comes twice: that costs no further call."""
        calm = self._new(turn, calm_at(self._place, stage))
        if calm and self._luck.happens(COMPANY_SHARE, "company", turn, stage, attempt):
            cell = self._luck.weighed(calm, "which company", turn, stage, attempt)
            self.faults.add(Placed(turn, stage, cell.fault, attempt))

    def _lasts(self, fault: Fault, *what: int | str) -> int:
        """For how many attempts."""
        return self._luck.one((1, 1, 1, 2), "burst", *what) if fault in BURSTING else 1

    def _how_long(self, turn: int) -> int:
        if self._luck.happens(MONTH_SHARE, "a month", turn):
            return MONTH_S
        return self._luck.one(HOURS_S, "hours", turn)

    def _away(self, turn: int, for_s: int) -> None:
        self.aways = {of for of in self.aways if of.turn != turn} | {Away(turn, for_s)}

    def _refunds(self, turn: int) -> bool:
        """Whether that turn is one that asks for money back, if the one before it went well."""
        return self._place.scenario == "refund" and turn % 2 == 1
