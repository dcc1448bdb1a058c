"""What can go wrong, by name, and where it strikes: a function of the call, never of call order.

It makes nothing go wrong. The mocks' side of each family is a file of mocks/faults, the user's side
is the agent's. What strikes is decided apart from how often: by shares, or placed one by one.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, Protocol, get_args

import msgspec

from harness import draws
from harness.providers.told import DrawKey

Fault = Literal[
    # network
    "lost", "timeouts", "reset", "cut", "late", "duplicates",
    # service
    "rate-limits", "errors", "overloads",
    # sessions
    "revoked", "expired",
    # keys
    "rotations", "unknown-keys",
    # time
    "skew",
    # notices
    "notices-twice", "notices-reordered", "notices-lost", "notices-early", "notices-late",
    "notices-forged",
    # models
    "repeats", "amounts", "units", "malformed", "after-cancel",
    # user
    "cancels", "switches", "storms",
]  # fmt: skip

FAULTS: tuple[Fault, ...] = get_args(Fault)

MODEL_STAGES = ("intent", "reason", "score", "confirm")
MONEY_STAGES = ("pay", "query", "reverse", "close", "refund")
CALL_STAGES = (*MODEL_STAGES, "session", "refresh", "key", *MONEY_STAGES)

STAGES: dict[Fault, tuple[str, ...]] = {
    # The request never arrives: nothing is done, and no answer comes.
    "lost": CALL_STAGES,
    # It is carried out, and no answer comes: the client's patience ends the call.
    "timeouts": CALL_STAGES,
    # It is carried out, and the connection is reset before the answer's first byte.
    "reset": CALL_STAGES,
    # The connection is reset in the middle of the answer's body.
    "cut": CALL_STAGES,
    # The answer is whole, and comes 5 to 40 s later than it would have.
    "late": CALL_STAGES,
    # The network delivers the request twice; the client hears of one.
    "duplicates": CALL_STAGES,
    # 429, in the provider's own words; nothing is done. In bursts: tries that follow may meet it.
    "rate-limits": CALL_STAGES,
    # It is carried out, and a proxy in front answers 500 in nobody's words. In bursts.
    "errors": CALL_STAGES,
    # 503 or 529, in the provider's own words; nothing is done. In bursts.
    "overloads": CALL_STAGES,
    # The session token is taken back just before the call that it came with arrives.
    "revoked": ("pay", "query", "reverse", "refund"),
    # It runs out just then.
    "expired": ("pay", "query", "reverse", "refund"),
    # The sealing key rotates between seal and open, and the old one is not taken any more.
    "rotations": ("pay", "query", "reverse", "refund"),
    # The answer is signed, or the notice, with a key that nobody published.
    "unknown-keys": MONEY_STAGES,
    # The provider's clock is off the client's, either way, for this call: a minute more than its
    # wire allows.
    "skew": MONEY_STAGES,
    # A notice of what this call did: comes twice; after the next one of its order; never; before
    # the call's own answer; a minute late; beside one that somebody forged.
    "notices-twice": ("pay",),
    "notices-reordered": ("pay",),
    "notices-lost": ("pay",),
    "notices-early": ("pay",),
    "notices-late": ("pay",),
    "notices-forged": ("pay",),
    # The model calls its function twice in one answer; invents a sum; takes yuan for fen, or fen
    # for yuan; writes JSON that ends too soon; calls for a payment where it is to tell of one.
    "repeats": ("intent",),
    "amounts": ("intent",),
    "units": ("intent",),
    "malformed": ("intent", "reason", "score"),
    "after-cancel": ("confirm",),
    # The user cancels while this call is under way: any but the closing of an order that nobody
    # pays, which no user waits for.
    "cancels": tuple(stage for stage in CALL_STAGES if stage != "close"),
    # The user takes another method, once this call is over.
    "switches": ("intent", "pay"),
    # The user's other devices ask for the session too, all at once; one that was kept has run out.
    "storms": ("intent",),
}
"""The stages in which a fault can strike: each is that of the call that it strikes at."""

USERS: tuple[Fault, ...] = ("cancels", "switches", "storms")
"""What the user does, and no provider: the agent is told of it."""

ANYBODYS: tuple[Fault, ...] = (
    "lost", "timeouts", "reset", "cut", "late", "duplicates", "rate-limits", "errors", "overloads"
)  # fmt: skip
"""Of the network and of the service: what meets whoever calls, whatever the call is for."""

SESSIONS = ("wechat-ai", "unionpay-ai")
"""Who has sessions."""
SEALED = ("wechat-ai",)
"""Whose payments are sealed with a key that rotates."""
SIGNED = ("alipay-ai", "alipay-v3", "unionpay", "wechatpay")
"""Where both sides sign every call."""
_TIMED = ("alipay-v3", "wechatpay")
_NOTICES = ("alipay-ai",)

ONLY_AT: dict[Fault, tuple[str, ...]] = {
    "revoked": SESSIONS,
    "expired": SESSIONS,
    "rotations": SEALED,
    "unknown-keys": SIGNED,
    "skew": _TIMED,
    "storms": SESSIONS,
    **dict.fromkeys((fault for fault in FAULTS if fault.startswith("notices-")), _NOTICES),
}
"""Who of those that are paid by has what the fault breaks, where not everyone has it."""

BURSTING: tuple[Fault, ...] = ("rate-limits", "errors", "overloads")
MOST_BURST = 3
"""Tries in a row of one call that a burst strikes."""


def can_strike(fault: Fault, stage: str) -> bool:
    """A stage that is none of CALL_STAGES is of a client that names no draw, or of somebody's own
    scenario: what it is for is not known, so it meets what can meet anybody, and nothing else."""
    return stage in STAGES[fault] or (fault in ANYBODYS and stage not in CALL_STAGES)


class Faults(Protocol):
    def at(self, provider: str, key: DrawKey) -> Sequence[Fault]:
        """What strikes that call of that provider, in the order of FAULTS; usually nothing."""


class Placed(msgspec.Struct, frozen=True, order=True):
    """One fault at one place of one conversation: the call of that turn, stage and attempt, and as
    many attempts after it as it lasts."""

    turn: int
    stage: str
    fault: Fault
    attempt: int = 1
    lasts: int = 1

    def strikes(self, key: DrawKey) -> bool:
        return (self.turn, self.stage) == (
            key.turn,
            key.stage,
        ) and self.attempt <= key.attempt < self.attempt + self.lasts


class Script:
    """Faults that are placed one by one."""

    def __init__(self, placed: Iterable[Placed]) -> None:
        self._placed = sorted(placed, key=lambda of: FAULTS.index(of.fault))

    def at(self, provider: str, key: DrawKey) -> Sequence[Fault]:
        return list(dict.fromkeys(of.fault for of in self._placed if of.strikes(key)))


class Shares:
    """Faults by their shares of the calls at which they can strike, as seeded draws decide."""

    def __init__(
        self,
        seed: int,
        everywhere: Mapping[Fault, float],
        of_provider: Mapping[str, Mapping[Fault, float]] = {},
    ) -> None:
        """`of_provider` are shares that hold for one provider, in place of those that hold
        everywhere."""
        self._draw = draws.uniforms(seed, "fault")
        self._everywhere = dict(everywhere)
        self._own = dict(of_provider)
        self._of: dict[str, dict[Fault, float]] = {}

    def at(self, provider: str, key: DrawKey) -> Sequence[Fault]:
        if key.round < 0 and key.stage in CALL_STAGES:
            return []  # A turn that warms up is told to nobody.
        shares = self._of.get(provider)
        if shares is None:
            shares = self._of[provider] = self._shares_of(provider)
        return [
            fault
            for fault, share in shares.items()
            if can_strike(fault, key.stage) and self._strikes(fault, share, key)
        ]

    def _shares_of(self, provider: str) -> dict[Fault, float]:
        """In the order of FAULTS, without those that never strike. What users do to their session
        they do while another provider is called: a model's."""
        shares = {**self._everywhere, **self._own.get(provider, {})}
        return {
            fault: shares[fault]
            for fault in FAULTS
            if shares.get(fault) and (fault in USERS or provider in ONLY_AT.get(fault, (provider,)))
        }

    def _strikes(self, fault: Fault, share: float, key: DrawKey) -> bool:
        if fault not in BURSTING:
            return self._luck(fault, key, key.attempt) < share
        return any(
            self._luck(fault, key, began) < share
            and key.attempt - began < 1 + int(self._luck(f"{fault} lasts", key, began) * MOST_BURST)
            for began in range(max(1, key.attempt - MOST_BURST + 1), key.attempt + 1)
        )

    def _luck(self, what: str, key: DrawKey, attempt: int) -> float:
        return self._draw(what, key.round, key.conversation, key.turn, key.stage, attempt)
