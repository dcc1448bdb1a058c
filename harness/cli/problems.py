"""Everything wrong with a command line, told at once, each with its mend; it never stops early."""

import math
import re
import socket
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar, cast, get_args, get_type_hints

import httpx
import msgspec

from harness.cli.casting import ORDER_ONLY, USUAL
from harness.cli.exits import BadInput
from harness.clock import ClockName
from harness.faults import FAULTS, USERS, Fault
from harness.flow.strategy import MITIGATIONS, Strategy, strategy_of
from harness.load.arrivals import Arrivals
from harness.record import Tolerance
from mocks.host import LOOPBACK
from mocks.profile import (
    BadProfile,
    GatewayProfile,
    ModelProfile,
    PaymentProfile,
    Profile,
    ProfileT,
    load,
)
from mocks.profile import names as profile_names

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from harness.stats.slo import Slo

ScenarioT = TypeVar("ScenarioT", bound="DataclassInstance")

InVain = Callable[[Fault], str]
"""Why a fault can never strike what is played, with the mend; nothing where it can."""


def in_vain_without_users(fault: Fault) -> str:
    """Of mocks that are served: whoever calls them has users of his own."""
    return "is what a user does, and mocks have none: leave it out" if fault in USERS else ""


LEAST_PERCENTILE, MOST_PERCENTILE = 1.0, 99.999
MOST_TOLERANCE: dict[str, float] = {"%": 99.0, "ms": 3_600_000.0}
"""No change saves more than all of it, and no turn lasts longer than an hour."""


class Problems:
    """Checks inputs one after another and gathers what is wrong. A check that fails returns a
    value of the right type, so that the next can go on; `settle` then raises."""

    def __init__(self) -> None:
        self._found: list[str] = []

    def add(self, problem: str) -> None:
        self._found.append(problem)

    @property
    def none(self) -> bool:
        """So far."""
        return not self._found

    def settle(self) -> None:
        """Raise BadInput with all that was found."""
        if self._found:
            raise BadInput(self._found)

    def given(self, option: str, text: str | None, what: str) -> str:
        """The text; where it is missing, a number that passes every later check."""
        if text is None:
            self.add(f"{option} is missing: {what}")
        return "1" if text is None else text

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

    def quantiles(self, option: str, text: str) -> list[float]:
        """Percentiles as quantiles, in rising order, at least one."""
        before = len(self._found)
        found = [self.quantile(option, part) for part in text.split(",") if part.strip()]
        if not found:
            self.add(f"{option} names no percentile; write them as in 50,95,99")
        elif len(set(found)) < len(found) and len(self._found) == before:
            self.add(f"{option} names a percentile twice: {text!r}")
        return sorted(set(found)) or [0.5]

    def quantile(self, option: str, text: str) -> float:
        """Of a percentile, which may be written as in 95 or p95."""
        least, most = LEAST_PERCENTILE, MOST_PERCENTILE
        try:
            percentile = float(text.strip().removeprefix("p"))
        except ValueError:
            percentile = math.nan
        if not least <= percentile <= most:
            self.add(
                f"{option} must be a percentile from {least:g} to {most:g}, as p95, not {text!r}"
            )
            return 0.5
        return round(percentile / 100, 9)

    def tolerance(self, option: str, text: str) -> Tolerance:
        """How large a change must be to matter."""
        written = re.fullmatch(r" *([0-9]*\.?[0-9]+) *(%|ms) *", text)
        if not written:
            self.add(f"{option} must be as in 5% or 40ms, not {text!r}")
            return Tolerance()
        amount, unit = float(written[1]), cast(Literal["%", "ms"], written[2])
        if amount > MOST_TOLERANCE[unit]:
            self.add(f"{option} must be at most {MOST_TOLERANCE[unit]:,g}{unit}, not {text!r}")
            return Tolerance()
        return Tolerance(amount, unit)

    def slos(self, option: str, text: str | None) -> "list[Slo]":
        """The promises that a run is held to; none where none is named."""
        from harness.stats.slo import read_slos

        try:
            return [] if text is None else read_slos(text)
        except ValueError as error:
            for mistake in str(error).splitlines():
                self.add(f"{option}: {mistake}")
            return []

    def faults(
        self, option: str, text: str | None, in_vain: InVain = in_vain_without_users
    ) -> dict[Fault, float]:
        """What share of the calls each fault is to strike, of those that it can; written as in
        timeouts=1%,reset=0.005. None is none. `in_vain` says of one that can strike nothing of what
        is played why that is; mocks alone are when nothing else is said."""
        if text is None:
            return {}
        shares: dict[Fault, float] = {}
        unknown: list[str] = []
        for part in (part.strip() for part in text.split(",") if part.strip()):
            name, _, share = (piece.strip() for piece in part.partition("="))
            fault = next((fault for fault in FAULTS if fault == name), None)
            if fault is None:
                unknown.append(repr(name))
            elif fault in shares:
                self.add(f"{option} names {fault} twice: keep one")
            else:
                shares[fault] = self._share(f"{option} {fault}", share)
                if why := in_vain(fault):
                    self.add(f"{option} {fault} {why}")
        if unknown:
            self.add(f"{option}: unknown fault {', '.join(unknown)}; take {', '.join(FAULTS)}")
        elif not shares:
            self.add(f"{option} names no fault; write them as in timeouts=1%,reset=0.5%")
        # In their own order, however they were written: a run's faults are one thing.
        return {fault: shares[fault] for fault in FAULTS if fault in shares}

    def clock(self, text: str) -> ClockName:
        if text not in get_args(ClockName):
            self.add(f"--clock must be virtual or real, not {text!r}")
            return "virtual"
        return cast(ClockName, text)

    def arrivals(self, option: str, text: str) -> Arrivals:
        if text not in get_args(Arrivals):
            self.add(f"{option} must be {' or '.join(get_args(Arrivals))}, not {text!r}")
            return "poisson"
        return cast(Arrivals, text)

    def mitigations(self, option: str, text: str) -> list[str]:
        """In their usual order, however they are spelled or ordered; at least one."""
        names = [name.strip().replace("-", "_") for name in text.split(",") if name.strip()]
        known = ", ".join(MITIGATIONS)
        unknown = [name for name in names if name not in MITIGATIONS]
        if unknown:
            self.add(f"{option}: unknown mitigation {', '.join(map(repr, unknown))}; take {known}")
        if len(set(names)) < len(names):
            self.add(f"{option} names a mitigation twice: {text!r}")
        if not names:
            self.add(f"{option} names no mitigation; take {known}")
        return [name for name in MITIGATIONS if name in names]

    def strategy(self, option: str, text: str) -> Strategy:
        on = [] if text == "baseline" else self.mitigations(option, text)
        return strategy_of(on)

    def payment(self, option: str, name: str) -> PaymentProfile | None:
        return self._profile(option, name, PaymentProfile)

    def model(self, option: str, name: str) -> ModelProfile | None:
        return self._profile(option, name, ModelProfile)

    def payments(self, option: str, text: str | None, scenario: str) -> list[str]:
        """The payment choices to compare, at least two; all that are shipped and paid where none
        is named, and what the scenario is about."""
        usual = [USUAL[scenario].pay] if scenario in USUAL and "+" in USUAL[scenario].pay else []
        choices = text.split(",") if text else [*_paid_profiles(), *usual]
        choices = [choice.strip() for choice in choices if choice.strip()]
        if len(set(choices)) < 2 or len(set(choices)) < len(choices):
            self.add(f"{option}: name at least two to compare, each once, as in wechat-ai,stripe")
        return choices

    def gateway(self, option: str, name: str) -> GatewayProfile | None:
        return self._profile(option, name, GatewayProfile)

    def url(self, option: str, text: str | None) -> str:
        if text is None:
            self.add(f"{option} is missing: name what to probe, as in http://127.0.0.1:8080/")
            return ""
        try:
            url = httpx.URL(text)
            good = url.scheme in ("http", "https") and url.host and (url.port or 1) < 65536
        except (httpx.InvalidURL, UnicodeError):
            good = False
        if not good:
            # What may hold a password or a key is not shown.
            shown = "" if re.search("[@?#]", text) else f", not {text!r}"
            self.add(f"{option} must be http:// or https:// with a host{shown}")
        return text

    def base_url(self, option: str, text: str) -> str:
        """One that paths are added to; it holds no secret."""
        try:
            userinfo = httpx.URL(text).userinfo
        except (httpx.InvalidURL, UnicodeError):
            return self.url(option, text)
        if userinfo:
            self.add(f"{option}: a user and password there would not be sent; leave them out")
        elif "?" in text or "#" in text:
            self.add(f"{option}: paths are added to it; end it before the ? or #")
        else:
            self.url(option, text)
        return text

    def port(self, option: str, text: str | None, clock: ClockName) -> int:
        """A port of loopback that is free now; 0, which is any, when none is named."""
        if text is None:
            return 0
        if clock == "virtual":
            self.add(f"{option} is for the real clock only, where the mocks listen; leave it out")
            return 0
        before = len(self._found)
        port = self.whole(option, text, 1, 65535)
        if len(self._found) == before and not _is_free(port):
            self.add(f"{option} {port} is in use: take another, or leave it out for any free one")
        return port

    def folder(self, option: str, text: str) -> Path:
        """A folder that can be written, or made below one that can."""
        path = Path(text)
        near = next(p for p in (path, *path.absolute().parents) if p.exists() or p.is_symlink())
        latest = path / "latest"
        if not near.is_dir():
            self.add(f"{option}: {near} is no folder; name another")
        elif not _takes_files(near):
            self.add(f"{option}: {near} cannot be written; name another folder")
        elif latest.is_dir() and not latest.is_symlink():
            self.add(f"{option}: {latest} must be free for a link to the newest run; move it away")
        return path

    def parameters(self, kind: type[ScenarioT], pairs: Sequence[str]) -> ScenarioT | None:
        """The scenario with these parameters set; None when one is unknown or makes no sense."""
        before = len(self._found)
        types = get_type_hints(kind)
        known = [field.name for field in fields(kind)]
        values: dict[str, object] = {}
        for pair in pairs:
            name, equals, text = pair.partition("=")
            if not equals:
                self.add(f"--set {pair}: write it as NAME=VALUE")
            elif name not in known:
                self.add(f"--set: no parameter {name!r}; there are {', '.join(known)}")
            elif name in values:
                self.add(f"--set {name} is given twice; keep one")
            else:
                values[name] = self._value(name, text, types[name])
        if len(self._found) > before:
            return None
        try:
            return kind(**values)
        except (TypeError, ValueError) as error:
            for broken in str(error).split("; "):
                self.add(f"--set: {broken}")
            return None

    def _value(self, name: str, text: str, kind: object) -> object:
        try:
            value: object = msgspec.convert(text, kind, strict=False)
        except (TypeError, ValueError):
            value = math.nan
        if isinstance(value, float) and not math.isfinite(value):
            self.add(f"--set {name} must be {_KINDS.get(kind, kind)}, not {text!r}")
        return value

    def _share(self, option: str, text: str) -> float:
        percent = text.endswith("%")
        try:
            share = float(text.removesuffix("%")) / (100 if percent else 1)
        except ValueError:
            share = math.nan
        if not 0 < share <= 1:
            self.add(
                f"{option} must be a share above 0 and up to 100%, as 1% or 0.01, not {text!r}"
            )
            return 0.01
        return share

    def _profile(self, option: str, name: str, kind: type[ProfileT]) -> ProfileT | None:
        for other, what in _PROFILES.items():
            if other is not kind and name in profile_names(other):
                known = ", ".join(profile_names(kind))
                self.add(f"{option}: {name} is {what}, not {_PROFILES[kind]}; take {known}")
                return None
        try:
            return load(name, kind)
        except BadProfile as error:
            self.add(f"{option}: {error}")
            return None


_PROFILES: dict[type[Profile], str] = {
    PaymentProfile: "a payment profile",
    ModelProfile: "a model",
    GatewayProfile: "a gateway",
}
_KINDS: dict[object, str] = {int: "a whole number", float: "a number", bool: "true or false"}


def _paid_profiles() -> list[str]:
    """The shipped ones by which something is paid."""
    shipped = profile_names(PaymentProfile)
    return [name for name in shipped if load(name, PaymentProfile).provider not in ORDER_ONLY]


def _takes_files(folder: Path) -> bool:
    """Tried, not asked: permissions alone do not tell it for root, or on a read-only disk."""
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def _is_free(port: int) -> bool:
    try:
        socket.create_server((LOOPBACK, port)).close()
    except OSError:
        return False
    return True
