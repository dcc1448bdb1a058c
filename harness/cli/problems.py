"""Everything wrong with a command line, told at once, each with its mend; it never stops early."""

import math
import os
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast, get_args
from urllib.parse import urlsplit

import msgspec

from harness.cli.exits import BadInput
from harness.clock import ClockName
from harness.flow.strategy import MITIGATIONS, Strategy, strategy_of
from mocks.profile import BadProfile, ModelProfile, PaymentProfile, load

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

ScenarioT = TypeVar("ScenarioT", bound="DataclassInstance")


class Problems:
    """Checks inputs one after another and gathers what is wrong. A check that fails returns a
    value of the right type, so that the next can go on; `settle` then raises."""

    def __init__(self) -> None:
        self._found: list[str] = []

    def add(self, problem: str) -> None:
        self._found.append(problem)

    def settle(self) -> None:
        """Raise BadInput with all that was found."""
        if self._found:
            raise BadInput(self._found)

    def whole(self, option: str, text: str, low: int, high: int) -> int:
        try:
            number = int(text)
        except ValueError:
            number = low - 1
        if not low <= number <= high:
            self.add(f"{option} must be a whole number from {low} to {high:,}, not {text!r}")
            return low
        return number

    def number(self, option: str, text: str, low: float, high: float) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not low <= number <= high:
            self.add(f"{option} must be a number from {low:g} to {high:,g}, not {text!r}")
            return low
        return number

    def clock(self, text: str) -> ClockName:
        if text not in get_args(ClockName):
            self.add(f"--clock must be virtual or real, not {text!r}")
            return "virtual"
        return cast(ClockName, text)

    def mitigations(self, option: str, text: str) -> list[str]:
        names = [name.strip().replace("-", "_") for name in text.split(",") if name.strip()]
        unknown = [name for name in names if name not in MITIGATIONS]
        if unknown:
            known = ", ".join(MITIGATIONS)
            self.add(f"{option}: unknown mitigation {', '.join(map(repr, unknown))}; take {known}")
        if len(set(names)) < len(names):
            self.add(f"{option} names a mitigation twice: {text!r}")
        return [name for name in MITIGATIONS if name in names]

    def strategy(self, option: str, text: str) -> Strategy:
        on = [] if text == "baseline" else self.mitigations(option, text)
        return strategy_of(on)

    def payment(self, option: str, name: str) -> PaymentProfile | None:
        try:
            return load(name, PaymentProfile)
        except BadProfile as error:
            self.add(f"{option}: {error}")
            return None

    def model(self, option: str, name: str) -> ModelProfile | None:
        try:
            return load(name, ModelProfile)
        except BadProfile as error:
            self.add(f"{option}: {error}")
            return None

    def url(self, option: str, text: str | None) -> str:
        if text is None:
            self.add(f"{option} is missing: name what to probe, as in http://127.0.0.1:8080/")
            return ""
        url = urlsplit(text)
        if url.scheme not in ("http", "https") or not url.hostname:
            self.add(f"{option} must begin with http:// or https:// and name a host, not {text!r}")
        return text

    def folder(self, option: str, text: str) -> Path:
        """A folder that can be written, or made below one that can."""
        path = Path(text)
        near = next(p for p in (path, *path.absolute().parents) if p.exists())
        if not near.is_dir():
            self.add(f"{option}: {near} is a file, not a folder; name another folder")
        elif not os.access(near, os.W_OK):
            self.add(f"{option}: {near} cannot be written; name another folder")
        return path

    def parameters(self, kind: type[ScenarioT], pairs: Sequence[str]) -> ScenarioT | None:
        """The scenario with these parameters set; None when one is unknown or of a wrong type."""
        known = [field.name for field in fields(kind)]
        values: dict[str, str] = {}
        for pair in pairs:
            name, equals, value = pair.partition("=")
            if not equals:
                self.add(f"--set {pair}: write it as NAME=VALUE")
            elif name not in known:
                self.add(f"--set: no parameter {name!r}; there are {', '.join(known)}")
            else:
                values[name] = value
        try:
            return msgspec.convert(values, kind, strict=False)
        except (msgspec.ValidationError, ValueError) as error:
            self.add(f"--set: {error}")
            return None
