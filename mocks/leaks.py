"""What must never stand in a prompt: session tokens, keys, card numbers. It finds, and forgets."""

import re
from collections.abc import Collection

from mocks import trail

TOKEN_PREFIXES = tuple(trail.TOKEN_PREFIXES.values())

_SECRETS = re.compile(
    rf"(?:{'|'.join(TOKEN_PREFIXES)})[0-9a-f]{{8,}}"
    r"|-----BEGIN [A-Z ]+-----"
    r"|\b[sr]k[-_](?:live|test|proj|ant)[-_][\w-]{8,}"
    r"|\bsk-[\w-]{20,}"
    r"|\bBearer\s+\S{8,}"
)
# The ways a card number is written. Each is looked for by itself, at every place: the digits before
# or after a card, a year or a check code, would hide it from one greedy pattern.
_CARD_SHAPES = [
    re.compile(rf"(?<!\w)(?<!\d\.)(?=({shape})(?!\w|\.\d))")
    for shape in (
        r"\d{13,19}",
        r"\d{4}([ -])\d{4}\2\d{4}\2\d{4}",
        r"\d{4}([ -])\d{4}\2\d{4}\2\d{4}\2\d{3}",
        r"\d{4}([ -])\d{6}\2\d{4,5}",
        r"\d{6}([ -])\d{13}",
    )
]


_HINTS = (*TOKEN_PREFIXES, "k_", "k-", "-----", "Bearer")
"""Each of the secrets holds one of them, and most texts hold none."""

_MAYBE_CARD = re.compile(r"\d{4}[ -]?\d{4}")
"""What each of the shapes holds, so that one look is enough for most texts."""

_NOUGHTS = bytes.maketrans(b"123456789 ", b"000000000-")
"""Makes all digits of ASCII text alike, and both separators: what may be a card then looks one of
two ways, and to look for these takes a fifth of the time of the pattern."""


def count_secrets(text: str) -> int:
    """How many secrets the text holds. Only the number ever leaves this function."""
    secrets = len(_SECRETS.findall(text)) if _may_hold_secret(text) else 0
    return secrets + _cards(text) if _may_hold_card(text) else secrets


def count_in_all(texts: Collection[str]) -> int:
    """How many secrets they hold in all. Most hold none, and one look at all of them tells it."""
    together = "\n".join(texts)
    if not _may_hold_secret(together) and not _may_hold_card(together):
        return 0
    return sum(map(count_secrets, texts))


def _cards(text: str) -> int:
    cards = (match for shape in _CARD_SHAPES for match in shape.finditer(text))
    return len({card.start() for card in cards if _passes_luhn(card[1])})


def _may_hold_secret(text: str) -> bool:
    # Not over a generator, which takes longer than all the looks.
    return [hint for hint in _HINTS if hint in text] != []


def _may_hold_card(text: str) -> bool:
    if not text.isascii():
        return _MAYBE_CARD.search(text) is not None
    seen = text.encode().translate(_NOUGHTS)
    return b"00000000" in seen or b"0000-0000" in seen


def _passes_luhn(text: str) -> bool:
    """The check digit of ISO/IEC 7812-1, annex B, which every card number carries."""
    digits = [int(c) for c in reversed(text) if c.isdigit()]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0
