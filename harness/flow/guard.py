"""What a model may ask for: exactly what the user spoke of, checked before anything is sent.

A model can be wrong or be talked into things, so no figure of its own ever reaches a provider.
"""

import re
from collections.abc import Iterable, Iterator
from typing import TypeVar

from harness.flow.wish import AnyWish, QueryWish, RefundWish, SplitWish, Wish
from harness.providers.call import Malformed

WishT = TypeVar("WishT", Wish, RefundWish, SplitWish, QueryWish)

USERS_OWN = ("why",)
"""What the user says and no tool repeats."""

CURRENCIES = ("CNY", "USD", "EUR", "GBP", "HKD")
"""Known ones. Each has two decimals, as amounts have them here."""

KINDS: dict[type[AnyWish], tuple[str, ...]] = {
    Wish: ("pay", "send", "transfer", "tip"),
    RefundWish: ("refund", "give back", "money back"),
    SplitWish: ("split",),
}
"""The words, one of which the user has for each kind of wish that moves money."""

FRAME = {
    "a", "all", "and", "at", "back", "between", "by", "do", "does", "for", "from", "give",
    "how", "i", "in", "is", "it", "me", "money", "my", "no", "not", "of", "on", "or", "our", "pay",
    "payment", "please", "refund", "send", "so", "split", "stand", "the", "this", "tip", "to",
    "transfer", "us", "use", "using", "via", "we", "with", "you", "your",
}  # fmt: skip
"""Words that hold a sentence together: a model that takes one into a name has misread it."""


class Guarded(Malformed):
    """The model's answer breaks its schema, or asks for what the user did not: it was stopped."""


def allow(asked: object, said: WishT) -> WishT:
    """The wish, when the model asks for what the user said; otherwise Guarded, which names the
    fields that differ and not what they held."""
    if type(asked) is not type(said):
        raise Guarded("the model asked for another kind of thing than the user")
    wrong = [
        name
        for name in said.__struct_fields__
        if getattr(asked, name) != getattr(said, name) and name not in USERS_OWN
    ]
    if wrong:
        raise Guarded(f"the model asked for another {', '.join(wrong)} than the user")
    return said


def borne(asked: AnyWish, said: str) -> AnyWish:
    """The wish, when these words of the user bear it; otherwise Guarded, which names the fields
    that they do not bear, and not what those held.

    Words bear a wish to move money of the one kind that they speak of, and about the one sum that
    they name. A name stands in them as it is, a payee as whom money goes to ("to noodles", "tip
    noodles") and with all its words, a method as what it comes from ("with my card"). No guard
    knows what "not" means.
    """
    if not isinstance(asked, QueryWish) and kinds_in(said) != {type(asked)}:
        raise Guarded("the model asked for another kind of thing than the user")
    wrong = [field for field, is_borne in _fields_of(asked, said) if not is_borne]
    if wrong:
        raise Guarded(f"the model asked for another {', '.join(wrong)} than the user")
    return asked


def kinds_in(said: str) -> set[type[AnyWish]]:
    """What the words speak of. To look a payment up takes no word: it changes nothing."""
    lower = said.lower()
    return {kind for kind, words in KINDS.items() if names_any(lower, words)}


def sums_in(said: str) -> set[tuple[int, str]]:
    """The sums that the words name, each once: minor units above zero, and a known currency, which
    stands before or after its amount. Digits in groups, ranges and fractions are no amount: they
    are read in two ways. Nor is a number with a word such as thousand; no other number words are
    understood, so "five" is none and a half that follows is not seen."""
    found = (match.groupdict() for match in _SUM.finditer(said))
    sums = {(_minor(of["first"] or of["last"]), of["before"] or of["after"]) for of in found}
    return {(minor, currency) for minor, currency in sums if minor > 0}


def names_any(said: str, names: Iterable[str]) -> bool:
    """Whether one of the names stands in the words: whole, and exactly as it is written."""
    return any(_stands(name, said) for name in names)


def _fields_of(asked: AnyWish, said: str) -> Iterator[tuple[str, bool]]:
    """Each field that must be borne, and whether it is."""
    if isinstance(asked, RefundWish | QueryWish):
        yield "reference", _is_name(asked.reference, said)
    else:
        yield "payee", _is_name(asked.payee, said, _TO, _AFTER_PAYEE)
        yield "method", _is_name(asked.method, said, _FROM)
    if isinstance(asked, SplitWish):
        yield "people", bool(asked.people) and all(_is_name(one, said) for one in asked.people)
    if not isinstance(asked, QueryWish):
        sums = sums_in(said)
        yield "amount_minor", {minor for minor, _ in sums} == {asked.amount_minor}
        yield "currency", {currency for _, currency in sums} == {asked.currency}


def _is_name(name: str, said: str, after: str = "", before: str = "") -> bool:
    if FRAME.intersection(name.lower().split()) or name in CURRENCIES:
        return False
    return _stands(name, said, after, before)


def _stands(name: str, said: str, after: str = "", before: str = "") -> bool:
    """Not as a part of a longer name either, such as an address."""
    if not name or name not in said:
        return False  # Most do not, and a pattern for each would have to be made.
    whole = rf"(?<![\w@./:-]){after}{re.escape(name)}(?![\w-]|[@./:'\u2019]\w){before}"
    return re.search(whole, said) is not None


def _minor(amount: str) -> int:
    whole, _, part = amount.partition(".")
    return int(whole) * 100 + int(part.ljust(2, "0"))


_TO = r"(?i:(?:to|pay|tip|send)\s(?:the\s)?)"
_FROM = r"(?i:(?:with|by|from|via|using|my|our)\s(?:my\s|our\s|the\s)?)"
_CODE = "|".join(CURRENCIES)
_DIGIT = r"[\d½¼¾⅓⅔]"
_MORE = (
    rf"\w|[^\w(]{{0,3}}{_DIGIT}|\s(?i:to|or|and|x)\s{_DIGIT}+(?![\w-])"
    r"|\s(?i:hundred|thousand|million|billion|[km]|mn|bn)(?!\w)|\s[十百千万亿]"
)
"""What makes a number a part of another one, where it follows: a group of digits, the rest of a
range or of a fraction, a word."""
_PART_OF = rf"(?<!{_DIGIT}\s)(?<!{_DIGIT}[^\w(]\s)(?<!{_DIGIT}\s[^\w(]\s)" + "".join(
    rf"(?<!{_DIGIT}\s{word}\s)" for word in ("to", "or", "and", "x")
)
"""The same, where it stands before."""
_NUMBER = rf"[0-9]{{1,12}}(?:\.[0-9]{{1,2}})?(?!{_MORE})"
_SUM = re.compile(
    rf"(?:^|(?<=[\s(])){_PART_OF}"
    rf"(?:(?P<before>{_CODE}) ?(?P<first>{_NUMBER})"
    rf"|(?P<last>{_NUMBER}) (?P<after>{_CODE})(?!\w|\s?{_DIGIT}))"
)
_AFTER_PAYEE = (
    r"(?=\s*$|[,;!?)]|[^\w\s&+*/@-](?!\w)|\s[^\w\s&+*/@(]\s"
    rf"|\s\(?(?:(?:{_CODE})(?![A-Za-z_])|{_NUMBER} (?:{_CODE})(?!\w))"
    rf"|\s(?i:{'|'.join(sorted(FRAME))})(?![\w-]))"
)
"""What ends a payee's name, which may have several words."""
