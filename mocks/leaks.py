"""What must never stand in a prompt: session tokens, keys, card numbers. It finds, and forgets."""

import re

from mocks.wechat_ai import TOKEN_PREFIX

_SECRETS = re.compile(
    rf"{TOKEN_PREFIX}[0-9a-f]{{8,}}"
    r"|-----BEGIN [A-Z ]+-----"
    r"|\b[sr]k[-_](?:live|test|proj|ant)[-_]\w{8,}"
    r"|\bBearer\s+\S{8,}"
)
_CARD_LIKE = re.compile(r"(?<![\w.])\d(?:[ -]?\d){12,18}(?![\w.])")


def count_secrets(text: str) -> int:
    """How many secrets the text holds. Only the number ever leaves this function."""
    cards = (match.group() for match in _CARD_LIKE.finditer(text))
    return len(_SECRETS.findall(text)) + sum(map(_passes_luhn, cards))


def _passes_luhn(text: str) -> bool:
    """The check digit of ISO/IEC 7812-1, annex B, which every card number carries."""
    digits = [int(c) for c in reversed(text) if c.isdigit()]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0
