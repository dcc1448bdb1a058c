"""What a flow took when it was last approved, as files that are kept with the code: figures that a
person reviews as a diff, and beside them the turns, exactly; it judges no change.

`<name>.json` holds the settings and a figure a line. `<name>.times` holds every turn and what each
stage took of it, in whole microseconds, packed. Equal runs leave equal files.
"""

import os
import re
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from harness.record.check import FlowFigures
from harness.record.columns import IntArray
from harness.record.packed_times import BadTimes, packed, sha256_of, unpacked
from harness.record.run import QuantileSummary
from harness.record.turn_times import TurnTimes

BASELINE_SCHEMA: Literal[1] = 1

UPDATE = "pytest --tollbench-update"
"""What makes baselines anew."""

ATTRIBUTES, BINARY = ".gitattributes", b"*.times binary"


class BadBaseline(Exception):
    """A baseline that cannot be compared with; the message says why, and what mends it."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What was played. Turns are compared with turns only where all of it is equal."""

    scenario: str
    story: str
    """A digest of what its users asked for."""
    parameters: dict[str, float | int | str]
    strategy: str
    pay: str = ""
    """The payment profiles, joined by "+"."""
    profiles: dict[str, str] = {}
    """Profile -> the digest of its figures."""
    seed: int
    rounds: int
    turns: int
    rate: float
    """Turns/s."""


class StageFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What a stage took, a turn."""

    critical_ms: float
    """On the critical path."""
    busy_ms: float
    """Of all its spans, awaited or not."""
    calls: float


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """The whole of `<name>.json`."""

    schema: Literal[1] = BASELINE_SCHEMA
    name: str
    """Such as `conversation/prewarm`."""
    settings: Settings
    figures: FlowFigures
    stages: dict[str, StageFigures]
    tool_version: str
    versions: dict[str, str] = {}
    """Of the libraries that a figure can hang on."""
    times_sha256: str = ""
    """Of what `<name>.times` holds; `write_baseline` fills it in."""


def stage_figures(times: TurnTimes) -> dict[str, StageFigures]:
    """What each stage took a turn, on average over those that were answered, to the microsecond;
    without the stages that took nothing and were never called."""
    turns = max(1, int(times.answered.sum()))
    sums = (
        of[times.answered].sum(axis=0).tolist()
        for of in (times.critical_us, times.busy_us, times.calls)
    )
    return {
        stage: StageFigures(
            critical_ms=round(critical_us / turns / 1000, 3),
            busy_ms=round(busy_us / turns / 1000, 3),
            calls=round(calls / turns, 4),
        )
        for stage, critical_us, busy_us, calls in zip(times.stages, *sums, strict=True)
        if critical_us or busy_us or calls
    }


def write_baseline(folder: Path, baseline: Baseline, times: TurnTimes) -> Path:
    """Write both files, each whole or not at all, and return the path of the readable one.

    The times come first: a `<name>.json` stands for times beside it. Raises BadBaseline where the
    name is not safe, or the folder cannot be written.
    """
    readable, exact = _paths(folder, baseline.name)
    baseline = msgspec.structs.replace(baseline, times_sha256=sha256_of(times))
    text = msgspec.json.format(msgspec.json.encode(baseline, order="sorted"), indent=2)
    try:
        readable.parent.mkdir(parents=True, exist_ok=True)
        _mark_binary(folder)
        # Another zlib may pack equal times into other bytes, which would be no change to review.
        if _stored_sha256(exact) != baseline.times_sha256:
            _write_whole(exact, packed(times))
        _write_whole(readable, text + b"\n")
    except OSError as error:
        why = error.strerror or str(error)
        raise BadBaseline(f"{readable} cannot be written: {why}; take another folder") from None
    return readable


def read_baseline(folder: Path, name: str) -> tuple[Baseline, TurnTimes]:
    """A stored baseline and its times.

    Raises BadBaseline, in one line with the mend, where there is none, or one of another schema,
    or one that cannot be read, whose files do not belong together, or whose figures are not those
    of its times.
    """
    readable, exact = _paths(folder, name)
    baseline = _read_json(readable, name)
    if baseline.name != name:
        raise BadBaseline(f"{readable} is that of {baseline.name}: restore it, or {_again()}")
    try:
        times = unpacked(exact.read_bytes())
    except FileNotFoundError:
        raise BadBaseline(
            f"{exact} is missing, and {readable.name} cannot do without: restore it, or {_again()}"
        ) from None
    except (OSError, BadTimes) as error:
        raise BadBaseline(f"{exact} cannot be read ({error}): restore it, or {_again()}") from None
    if sha256_of(times) != baseline.times_sha256:
        raise BadBaseline(
            f"{exact} does not belong to {readable.name}: restore both, or {_again()}"
        )
    if wrong := _not_of(times, baseline):
        raise BadBaseline(
            f"{readable} does not tell {wrong} of {exact.name}, and may have been edited: restore "
            f"it, or {_again()}"
        )
    return baseline, times


def refusals(then: Settings, now: Settings) -> list[str]:
    """Why what was played then and now cannot be compared turn by turn; empty where it can. Each
    says what differs and what to do."""
    found = [
        _differs(what, was, is_)
        for what, was, is_ in (
            ("the scenario", then.scenario, now.scenario),
            ("the strategy", then.strategy, now.strategy),
            ("the payment", then.pay, now.pay),
            ("the seed", then.seed, now.seed),
            ("the number of rounds", then.rounds, now.rounds),
            ("the number of turns", then.turns, now.turns),
            ("the rate", then.rate, now.rate),
        )
        if was != is_
    ]
    found += [
        _differs(f"parameter {name}", then.parameters.get(name), now.parameters.get(name))
        for name in sorted({*then.parameters, *now.parameters})
        if then.parameters.get(name) != now.parameters.get(name)
    ]
    found += [
        f"profile {name} {_profile_change(then.profiles.get(name), now.profiles.get(name))}"
        for name in sorted({*then.profiles, *now.profiles})
        if then.profiles.get(name) != now.profiles.get(name)
    ]
    # What differs above may be why the users asked for other things, so this is told alone only.
    if not found and then.story != now.story:
        found = ["the users asked for other things, or at other times, than in the baseline"]
    return [f"{one}: play as it was, or {_again()}" for one in found]


_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+=,@-]*")
_LONGEST_PART, _LONGEST_NAME = 120, 240


class _Head(msgspec.Struct):
    """What tells whether the rest can be read."""

    schema: int


def _paths(folder: Path, name: str) -> tuple[Path, Path]:
    """Of the two files. A name is made of parts that cannot lead out of the folder."""
    parts = name.split("/")
    safe = all(_PART.fullmatch(part) and len(part) <= _LONGEST_PART for part in parts)
    if not safe or len(name) > _LONGEST_NAME:
        raise BadBaseline(
            f"{name!r} cannot name a baseline: take letters, digits and _ . + = , @ - in parts "
            "joined by /, each beginning with a letter, a digit or _"
        )
    within = folder.joinpath(*parts[:-1])
    return within / f"{parts[-1]}.json", within / f"{parts[-1]}.times"


def _read_json(path: Path, name: str) -> Baseline:
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        raise BadBaseline(
            f"there is no baseline of {name} at {path}: make it with {UPDATE}"
        ) from None
    except OSError as error:
        why = error.strerror or str(error)
        raise BadBaseline(f"{path} cannot be read ({why}): restore it, or {_again()}") from None
    try:
        schema = msgspec.json.decode(text, type=_Head).schema
        if schema > BASELINE_SCHEMA:
            raise BadBaseline(f"{path} has schema {schema}: a newer tollbench reads it")
        if schema < BASELINE_SCHEMA:
            raise BadBaseline(f"{path} has schema {schema}, which is too old: {_again()}")
        return msgspec.json.decode(text, type=Baseline)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadBaseline(f"{path} cannot be read ({error}): restore it, or {_again()}") from None


def _not_of(times: TurnTimes, baseline: Baseline) -> str:
    """What of the figures is not that of the times; "" where all is, as far as it hangs on no
    interval."""
    figures, stages = baseline.figures, stage_figures(times)
    answered_us = times.response_us[times.answered]
    failed, answered = times.answered.size - answered_us.size, max(1, answered_us.size)
    mean_ms = round(int(answered_us.sum()) / answered / 1000, 3) if answered_us.size else None
    critical_ms = {stage: of.critical_ms for stage, of in stages.items() if of.critical_ms}
    told_ms = {stage: ms for stage, ms in figures.critical_ms.items() if ms}
    differ = {
        "the number of turns": (figures.turns, figures.failed) != (times.answered.size, failed),
        "the mean": figures.mean_ms != mean_ms,
        "the stages": baseline.stages != stages or told_ms != critical_ms,
    }
    for of in figures.quantiles:
        differ[f"p{of.quantile * 100:g}"] = not _is_quantile(of, answered_us, times.answered.size)
    return ", ".join(what for what, differs in differ.items() if differs)


_HAIR = 1e-9


def _is_quantile(of: QuantileSummary, answered_us: IntArray, turns: int) -> bool:
    """Whether so many turns lie up to it, and no more below it; one that is not known is."""
    if of.ms is None:
        return True
    us, wanted = round(of.ms * 1000), of.quantile * turns
    below, up_to = (np.count_nonzero(answered_us < us), np.count_nonzero(answered_us <= us))
    return bool(below < wanted + _HAIR and up_to >= wanted - _HAIR and below < up_to)


def _again() -> str:
    return f"make it anew with {UPDATE}"


def _differs(what: str, was: object, is_: object) -> str:
    told = [_told(was), _told(is_)]
    if told[0] == told[1]:
        told = [repr(was), repr(is_)]  # the number 5, and the text
    return f"{what} was {told[0]} in the baseline and is {told[1]} now"


def _told(value: object) -> str:
    """With all its digits: what differs must look different."""
    if value is None or value == "":
        return "not there"
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


def _profile_change(then: str | None, now: str | None) -> str:
    if then is None:
        return "plays now, and did not in the baseline"
    return "played in the baseline, and does not now" if now is None else "has other figures now"


def _stored_sha256(path: Path) -> str:
    """Of the times that are there; "" where there are none that can be read."""
    try:
        return sha256_of(unpacked(path.read_bytes()))
    except (OSError, BadTimes):
        return ""


def _mark_binary(folder: Path) -> None:
    """Git shows no differences of the packed files, and changes no line end in them."""
    path = folder / ATTRIBUTES
    lines = path.read_bytes().splitlines() if path.exists() else []
    if BINARY not in lines:
        _write_whole(path, b"".join(line + b"\n" for line in [*lines, BINARY]))


def _write_whole(path: Path, content: bytes) -> None:
    """Several processes may write at once, each the same: the last one stays."""
    fresh = path.with_name(f".{path.name}-{os.getpid()}")
    fresh.write_bytes(content)
    fresh.replace(path)
