"""Takes secrets out of a text before anybody sees it: those that are known, in all the spellings
they travel in, and whatever looks like one. It never says what it took."""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

HIDDEN = "(hidden)"

SHORT = 8
"""Letters; a secret of fewer is only taken out where it stands by itself, as its letters may be
part of any number."""
_SHORTEST_LINE = 16
_OF_QUOTES = re.compile("%[0-9A-F]{2}")


class Redactor:
    """For texts that are shown or kept."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        spellings = {each for secret in secrets for each in _spellings(secret)}
        known = [
            re.escape(each) if len(each) >= SHORT else rf"(?<!\w){re.escape(each)}(?!\w)"
            for each in sorted(spellings, key=lambda each: (-len(each), each))
        ]
        self._known = re.compile("|".join(known)) if known else None

    def __call__(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        for form in _FORMS:
            text = form.sub(rf"\g<1>{HIDDEN}", text)
        return text

    def __repr__(self) -> str:
        return "Redactor()"


def _spellings(secret: str) -> Iterator[str]:
    """Itself, and each line of a key of several, as texts have it; and what base64 makes of it."""
    whole = {secret, secret.strip()} - {""}
    lines = [line.strip() for line in secret.splitlines()]
    inner = [line for line in lines if line and not line.startswith("-----")]
    long = [line for line in inner if len(line) >= _SHORTEST_LINE]
    for each in {*whole, *long, *(["".join(inner)] if inner and len(lines) > 1 else [])}:
        yield from _written(each)
    for each in whole:
        for raw in (each, f"{each}:", f":{each}"):  # The last two: a user and a password.
            yield from _in_base64(raw.encode())


def _written(text: str) -> Iterator[str]:
    """As headers, URLs, forms, JSON and Python have it."""
    yield text
    for quoted in (quote(text, safe=""), quote(text), quote_plus(text)):
        yield quoted
        yield _OF_QUOTES.sub(lambda found: found[0].lower(), quoted)
    for told in (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]):
        yield told
        yield told.replace("/", "\\/")
    yield repr(text)[1:-1]


def _in_base64(raw: bytes) -> Iterator[str]:
    """Wherever it stands in what was encoded: without the letters that its neighbours share."""
    for before in range(3):
        told = base64.b64encode(b"\0" * before + raw).decode().rstrip("=")
        sure = told[(before * 8 + 5) // 6 : (before + len(raw)) * 8 // 6]
        if len(sure) >= SHORT:
            yield sure
            yield sure.replace("+", "-").replace("/", "_")


_FORMS = tuple(
    re.compile(form, re.IGNORECASE | re.DOTALL)
    for form in (
        r"()-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
        r"()(?<![A-Za-z0-9])(?:sk|rk|pk)_(?:test|live|org)\w*",
        r"()(?<![A-Za-z0-9])whsec_\w+",
        r"()(?<![A-Za-z0-9])sk-[\w-]{8,}",
        r"()(?<![A-Za-z0-9])AIza[\w-]{20,}",
        r"(\b(?:bearer|basic)\s+)(?!\(hidden\))[\w.~+/=-]{8,}",
        r"(\b(?:x-[a-z-]*)?api[-_]key[\"']?\s*[:=]\s*[\"']?)(?!\(hidden\))[^\s\"',;&]{4,}",
        r"(\bauthorization[\"']?\s*[:=]\s*[\"']?)(?!\(hidden\)|bearer |basic )[^\"'\n]{4,}",
        r"([?&](?:key|access_token)=)(?!\(hidden\))[^\s&\"']{4,}",
        r"()weixin://wxpay/[^\s\"']+",
        r"()https://qr\.alipay\.com/[^\s\"']+",
    )
)
"""Keys as providers write them, and what a code to pay by is made of."""
