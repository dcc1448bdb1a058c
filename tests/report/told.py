"""What a page or a table tells, held against run.json; it knows nothing of how either is made."""

import re
import shlex
from collections.abc import Iterable, Sequence
from html.parser import HTMLParser
from typing import NamedTuple, cast
from urllib.parse import unquote

import msgspec

from harness.record import RunSummary

SAID_FOR_NULL = ("unknown", "never", "n too small")
_NUMBER = re.compile(r"[\N{MINUS SIGN}-]?\d[\d,]*(?:\.\d+)?")


class Told(NamedTuple):
    """Some text, and where in run.json what it tells stands."""

    text: str
    run: tuple[str, ...]
    times: float


def as_json(summary: RunSummary) -> object:
    """run.json as a reader in any language has it."""
    return msgspec.json.decode(msgspec.json.encode(summary))


def found(document: object, pointer: str) -> object:
    """What stands there. A JSON pointer, RFC 6901, in its form for addresses."""
    for step in pointer.split("/")[1:]:
        name = unquote(step).replace("~1", "/").replace("~0", "~")
        if isinstance(document, list):
            document = cast(list[object], document)[int(name)]
        else:
            document = cast(dict[str, object], document)[name]
    return document


def mistakes(told: Iterable[Told], document: object) -> list[str]:
    """Every text whose numbers are not those of its places, to the decimals that it shows."""
    wrong = []
    for each in told:
        values = [found(document, pointer) for pointer in each.run]
        if not _tells(each.text, values, each.times):
            wrong.append(f"{each.text!r} at {each.run} is {values}")
    return wrong


def numbers(text: str) -> list[str]:
    return [n.replace(",", "").replace("\N{MINUS SIGN}", "-") for n in _NUMBER.findall(text)]


def _tells(text: str, values: Sequence[object], times: float) -> bool:
    if len(values) == 1 and isinstance(values[0], list):
        typed = shlex.join(cast(list[str], values[0]))
        return text in (f"tollbench {typed}", f"locust {typed}")
    if len(values) == 1 and isinstance(values[0], str):
        digits, all_of_it = re.findall(r"\d+", text), re.findall(r"\d+", values[0])
        return text == values[0] or (digits != [] and all_of_it[: len(digits)] == digits)
    if text == "n too small":
        return all(value is None for value in values)
    known = [cast(float, value) for value in values if value is not None]
    if len(known) < len(values) and not any(word in text for word in SAID_FOR_NULL):
        return False
    shown = numbers(text)
    return len(shown) == len(known) and all(
        _same(number, value * times, text) for number, value in zip(shown, known, strict=True)
    )


def _same(number: str, value: float, text: str) -> bool:
    if text.startswith("<"):
        return value < float(number)
    decimals = len(number.partition(".")[2])
    # Not quite all turns are told as 99.9 %, and more than none as 0.1 %.
    not_quite = number in ("99.9", "0.1") and 0 < value < 100
    return abs(float(number) - value) <= (0.1 if not_quite else 0.5 * 10**-decimals + 1e-9)


class Page(HTMLParser):
    """What a page of HTML tells: by place, in table cells, and in all but its charts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.told: list[Told] = []
        self.cells: list[tuple[str, bool]] = []
        """The text of each cell of a table's body, and whether its place or origin is told."""
        self.sentences: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self._open: list[tuple[str, dict[str, str], list[str]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given["href"]] if tag == "a" else []
        if tag in ("span", "td", "ul", "li", "code", "p"):
            self._open.append((tag, given, []))

    def handle_data(self, data: str) -> None:
        for _, _, text in self._open:
            text.append(data)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1][0] != tag:
            return
        _, given, parts = self._open.pop()
        text = "".join(parts)
        if "data-run" in given:
            run = tuple(given["data-run"].split())
            self.told.append(Told(text, run, float(given.get("data-times", "1"))))
        if "data-run" in given or "data-derived" in given or "badge" in given.get("class", ""):
            self._mark()
        if tag == "td":
            self.cells.append((text, "marked" in given))
        if tag == "li" and self._within("sentences"):
            self.sentences.append(text)

    def _mark(self) -> None:
        for _, given, _ in self._open:
            given["marked"] = ""

    def _within(self, name: str) -> bool:
        return any(name in given.get("class", "") for _, given, _ in self._open)
