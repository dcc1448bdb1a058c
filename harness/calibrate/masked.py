"""A body without what must not be stored: keys, tokens and card numbers; pure.

Masked is what looks like a secret and what stands where secrets stand. That is no promise that a
body holds nothing else that is somebody's, nor is a secret found that a stream has cut in pieces:
so bodies are kept only by whoever asks for them.
"""

import re
from collections.abc import Iterable
from urllib.parse import parse_qsl, quote, quote_plus, urlencode

import msgspec

from harness.providers.call import UNREADABLE

MASK = "(not shown)"
LONGEST = 65_536
"""Characters of a body that are kept."""
SHORTEST_SECRET = 6
"""Characters; what is shorter would be found all over a body."""
DEEPEST = 32

_SECRET_WORDS = frozenset({
    "auth", "authorization", "cookie", "credential", "credentials", "cvc", "cvn", "cvv", "iban",
    "jwt", "key", "number", "otp", "passphrase", "passwd", "password", "pem", "pin", "pwd",
    "secret", "sign", "signature", "token", "apikey",
})  # fmt: skip
_SECRET_NUMBERS = frozenset({"cvc", "cvn", "cvv", "iban", "number", "otp", "pin"})
"""Words for what may be written as a number; one behind any other is a count."""

_PART_OF_NAME = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_CARD = re.compile(r"(?<![0-9A-Za-z])[0-9](?:[ -]?[0-9]){11,18}(?![0-9A-Za-z])")
_LOOKS_LIKE_A_KEY = re.compile(
    r"""-----BEGIN[ ][A-Z ]*-----.*?(?:-----END[ ][A-Z ]*-----|\Z)
    | \b(?:sk|pk|rk|whsec|xai|gsk|pat|ghp|ghs|hf|r8|tok|ek)[_-][A-Za-z0-9_-]{8,}
    | \b(?:AIza|ya29\.|AKIA|ASIA|LTAI|glpat-|xox[a-z]-)[A-Za-z0-9_./+-]{8,}
    | \beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){1,4}
    | \b(?i:bearer|basic)[ ]+[A-Za-z0-9._~+/=-]{8,}
    | [A-Za-z0-9+/]{120,}={0,2}
    """,
    re.VERBOSE | re.DOTALL,
)
_FORM = re.compile(r"[^\s=&]+=[^\s&]*(?:&[^\s=&]+=[^\s&]*)*")
_DATA_LINE = re.compile(r"^(data: ?)(.*)$", re.MULTILINE)


def masked(body: str, secrets: Iterable[str] = ()) -> str:
    """Of JSON, a form, a stream of events, or any text. `secrets` are what the exchange's own
    headers had: they are masked wherever they stand."""
    known = sorted({s for s in secrets if len(s) >= SHORTEST_SECRET}, key=len, reverse=True)
    body = _without(body, known)
    if _DATA_LINE.match(body) or "\ndata:" in body:
        found = _DATA_LINE.sub(lambda line: line[1] + _masked_value(line[2]), body)
    else:
        found = _masked_value(body)
    return _without(found, known)[:LONGEST]  # Again: JSON may spell any letter in other ways.


def _without(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        for spelled in _spellings(secret):
            text = text.replace(spelled, MASK)
    return text


def looks_secret(text: str) -> bool:
    """Whether a key or token stands in it, by the look of it."""
    return _LOOKS_LIKE_A_KEY.search(text) is not None


def secret_words(name: str) -> set[str]:
    """The words of a name that say that a secret is behind it."""
    return {part.lower() for part in _PART_OF_NAME.findall(name)} & _SECRET_WORDS


def _spellings(secret: str) -> Iterable[str]:
    """Plain, in a URL, in a form, in JSON."""
    in_json = msgspec.json.encode(secret).decode()[1:-1]
    urls = quote(secret), quote(secret, safe=""), quote_plus(secret)
    return dict.fromkeys((secret, *urls, in_json))


def _masked_value(text: str, depth: int = 0) -> str:
    """JSON stays JSON, and a form a form."""
    if text.lstrip()[:1] in ("{", "["):
        try:
            value: object = msgspec.json.decode(text)
        except UNREADABLE:
            return _masked_text(text)
        return msgspec.json.encode(_clean(value, "", depth + 1)).decode()
    if _FORM.fullmatch(text):
        fields = parse_qsl(text, keep_blank_values=True)
        return urlencode([(name, str(_clean(value, name, depth + 1))) for name, value in fields])
    return _masked_text(text)


def _clean(value: object, name: str, depth: int) -> object:
    """`name` is the nearest name that a secret may stand behind."""
    if depth > DEEPEST:
        return MASK
    match value:
        case dict():
            return {
                key: _clean(of, str(key) if secret_words(str(key)) else name, depth + 1)
                for key, of in value.items()
            }
        case list():
            return [_clean(item, name, depth + 1) for item in value]
        case str():
            return MASK if value and secret_words(name) else _masked_value(value, depth)
        case bool() | None:
            return value
        case int() | float():
            hidden = secret_words(name) & _SECRET_NUMBERS or _CARD.fullmatch(str(value))
            return MASK if hidden else value
    return MASK


def _masked_text(text: str) -> str:
    return _CARD.sub(_card, _LOOKS_LIKE_A_KEY.sub(MASK, text))


def _card(found: re.Match[str]) -> str:
    digits = [int(digit) for digit in found[0] if digit.isdigit()]
    return MASK if _is_luhn(digits) else found[0]


def _is_luhn(digits: list[int]) -> bool:
    """ISO/IEC 7812-1, annex B."""
    doubled = [n if k % 2 == 0 else sum(divmod(2 * n, 10)) for k, n in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0
