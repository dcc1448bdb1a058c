"""How often what comes in a drawn case: the odds that bring every fault to every stage about as
often as any other. It draws nothing.
"""

from functools import cache

from harness.faults import FAULTS, SIGNED, Fault
from harness.torture.reach import (
    PROVIDERS,
    SCENARIOS,
    Cell,
    Place,
    can_meet,
    cells_at,
    places_of,
)

TURNS = {"refund": (2, 2, 2, 2, 2, 2, 2, 4), "split_bill": (1, 1, 1, 2), "checkout": (1,)}
OTHER_TURNS = (1, 1, 1, 1, 1, 1, 2, 3)
"""A conversation has one of these, each as likely as the next, by its scenario."""

AROUND: dict[str, float] = {
    "intent": 0.22,
    "confirm": 0.17,
    "session": 0.25,
    "reason": 1.0,
    "score": 0.65,
}
"""Stages where a single fault rarely ends the turn, so that they need not be aimed at: the share of
turns in which something goes wrong there too. What fewer turns have is struck more often."""

AIMED_AT: dict[Fault, int] = {
    "late": 0,
    "duplicates": 0,
    "unknown-keys": 6,
    "skew": 4,
    "cancels": 9,
    "switches": 9,
    "storms": 1,
    **dict.fromkeys((of for of in FAULTS if of.startswith("notices")), 4),
}
AIMED_AT_STAGE = {
    "pay": 3,
    "query": 3,
    "reverse": 3,
    "refund": 4,
    "refresh": 8,
    "key": 3,
    "close": 4,
}
"""How often each is aimed at in a row of aims, where it is not once: what seldom comes by the way
comes this way."""

AIMED_AT_CELL: dict[tuple[Fault, str], int] = {
    **dict.fromkeys((("cancels", of) for of in ("query", "reverse", "refund")), 0),
    ("cancels", "pay"): 2,
    ("cancels", "session"): 10,
    ("cancels", "refresh"): 10,
    ("cancels", "key"): 11,
    ("unknown-keys", "query"): 8,
    ("revoked", "refund"): 5,
    ("expired", "refund"): 5,
    ("skew", "query"): 7,
    ("unknown-keys", "reverse"): 4,
    ("unknown-keys", "close"): 4,
    ("lost", "pay"): 0,
    ("overloads", "pay"): 0,
    ("rate-limits", "pay"): 0,
    ("revoked", "pay"): 0,
    ("expired", "pay"): 0,
    ("rotations", "pay"): 0,
}
"""The same where neither of both is right: most of these lead to so much else that they come
anyway."""

NOT_DONE: tuple[Fault, ...] = ("lost", "overloads", "skew")
"""At a payment: it is open whether money moved, and the provider knows nothing of it."""
DONE: tuple[Fault, ...] = ("timeouts", "reset", "cut", "errors", "unknown-keys")
"""It is as open, and money did move, so that the provider can tell."""
STALE: tuple[Fault, ...] = ("revoked", "expired")
GRAVE = frozenset({"cancels", "switches"})
"""They change what the turn is about: they are aimed at, and do not come by the way, but where the
turn goes on all the same."""
GOES_ON = ("query", "reverse", "refund")
"""Who cancels there has paid, or is given back already."""

STALE_SHARE, ROTATED_SHARE, UNCLEAR_SHARE, UNDONE_SHARE = 0.16, 0.13, 0.33, 0.5
"""Where nothing of it was aimed at: the session is stale, the key has rotated, the payment is
unclear; and of those that are, nothing is known of it."""

CALM = frozenset(
    {
        "duplicates",
        "late",
        "after-cancel",
        "storms",
        *(of for of in FAULTS if of.startswith("notices")),
    }
)
"""They leave a call to go through."""
OF_SESSIONS: tuple[Fault, ...] = ("switches", "storms")
"""What they spoil is a session, where there is one: one that is kept, for a storm."""
BENT: tuple[Fault, ...] = ("repeats", "amounts", "units", "malformed")
"""A model is asked once more after one of these, and not again."""
MORE_SHARE, MOST_AT_ONCE = 0.78, 5
"""Of the faults at a stage: another one follows; and how many there are at most."""
COMES_ANYWAY: dict[Fault, float] = {"late": 0.6, "duplicates": 0.45, "storms": 0.25}
COMPANY_SHARE = 0.38
"""Of faults that spoil a call: so many have something beside them that does not, mostly one of
these, which are drawn so much less often for themselves."""
MOST_FAILING = {"close": 4, "refund": 4, "key": 3}
"""For so many attempts a stage is spoilt in a row, where it is tried more often than three times;
elsewhere for two. Nothing is spoilt for longer, but for what stays."""
TURNED_AWAY_SHARE = 0.15
"""Of payments that are left open: they are sent twice, as the first was not even looked at."""
CALM_SHARE = 0.5
"""Of payments that go through."""
FOR_EVER_SHARE, FOR_EVER = 0.03, 9
"""Of stages: one fault stays until nothing is left to try. An order that nobody pays is tried to be
closed once more than that."""
LATER_SHARE = 0.1
"""Strike at a later attempt than the first."""

HOURS_S = (960, 3 * 3600, 11 * 3600)
"""Past the life of a session token; past all of an evening."""
MONTH_S = 31 * 86_400
AWAY_SHARE, MONTH_SHARE = 0.2, 0.2


def wanted(place: Place, first: Cell) -> float:
    """What can be met there alone is wanted more; what is much the same for everybody, less."""
    if place.scenario == "refund" and first.stage not in ("reason", "refund"):
        return 0.1
    wanted = {"fraud_checked": 1.8, "split_bill": 0.6}.get(place.scenario, 1.0)
    if first.fault in OF_SESSIONS and can_meet(place.provider, Cell("expired", "pay")):
        wanted *= 6
    if place.provider in SIGNED and first.fault not in ("unknown-keys", "skew"):
        wanted *= 0.6
    return wanted


def is_grave(cell: Cell) -> bool:
    return cell.fault in GRAVE and cell.stage not in GOES_ON


def is_calm(cell: Cell) -> bool:
    """The call goes through, or may: another fault can come to the same attempt."""
    return cell.fault in CALM or (cell.fault in GRAVE and cell.stage in GOES_ON)


def is_aim(cell: Cell) -> bool:
    return cell.stage not in AROUND or is_grave(cell) or cell.fault == "storms"


def times_aimed_at(cell: Cell) -> int:
    """In one row of aims."""
    if not is_aim(cell):
        return 0
    usual = AIMED_AT.get(cell.fault, AIMED_AT_STAGE.get(cell.stage, 1))
    return AIMED_AT_CELL.get((cell.fault, cell.stage), usual)


@cache
def aims_at(place: Place, refunds: bool) -> tuple[tuple[Cell, float], ...]:
    """With how much each is wanted. A turn that gives back has no payment, and one that pays gives
    nothing back, and reasons about nothing."""
    not_here = ("pay", "query", "reverse", "close") if refunds else ("reason", "refund")
    return tuple(
        (cell, rarity(cell))
        for cell in cells_at(place)
        if is_aim(cell) and cell.stage not in not_here
    )


@cache
def others_at(place: Place, stage: str) -> tuple[tuple[Cell, float], ...]:
    """What can come there by the way, with how much each is wanted."""
    return tuple(
        (cell, rarity(cell) * COMES_ANYWAY.get(cell.fault, 1.0))
        for cell in cells_at(place)
        if cell.stage == stage and not is_grave(cell)
    )


@cache
def calm_at(place: Place, stage: str) -> tuple[tuple[Cell, float], ...]:
    """Those of them that leave a call to go through."""
    return tuple((cell, much) for cell, much in others_at(place, stage) if is_calm(cell))


@cache
def rarity(cell: Cell) -> float:
    """The fewer places reach it, the more it is wanted where it can be."""
    return 1 / len(places_of(cell, SCENARIOS, PROVIDERS))
