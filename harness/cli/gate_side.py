"""One round of one side of a gate, run by `python -m harness.cli.gate_side`; no user's verb, and it
judges and stores nothing.

It stands in the side's own checkout and speaks lines of harness.cli.gate_lines on standard input
and output. Where its input ends before the round does, whoever asked is gone or wants no more: it
cuts off what is in flight, tells what it has, and ends.
"""

import asyncio
import os
import sys
from contextlib import AsyncExitStack
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from harness import clock as clocks
from harness.cli.bugs import innermost
from harness.cli.course import Crash
from harness.cli.exits import INVALID, PASS, USAGE, BadInput
from harness.cli.gate_flow import FoundFlow, find, told_of
from harness.cli.gate_lines import (
    ALIVE_S,
    PROTOCOL,
    SIDES,
    Alive,
    Answer,
    Ask,
    Begin,
    Failure,
    Loaded,
    Played,
    Ready,
    Refused,
    Serve,
    Side,
)
from harness.cli.gate_trees import loaded_from, loads_own_code
from harness.cli.gate_watch import Watch
from harness.cli.rounds import WARM_UP_ROUND, leaving_no_task
from harness.cli.ways import socket_way
from harness.clock import RealClock
from harness.flow.routing import BadFlow
from harness.load.engine import Arm, Due, Tally, round_schedule, run_round
from harness.record import Spool


def main() -> int:
    out, orders = _Out(), sys.stdin.buffer
    first = orders.readline()
    if not first:
        return PASS
    try:
        ask = read_ask(first)
        found = find(ask)
        loaded = _loaded(found, ask)
    except BadInput as error:
        out.tell(Refused(error.problems))
        return USAGE
    out.tell(loaded)
    serve = orders.readline()
    if not serve:
        return PASS
    side = _Round(ask, found, msgspec.json.decode(serve, type=Serve), out)
    played = clocks.run("real", side.play())
    out.tell(played)
    return INVALID if played.bug else PASS


class _Out:
    """Standard output, which a flow may print to as well: that goes to standard error from now on,
    also what it prints from below Python."""

    def __init__(self) -> None:
        sys.stdout.flush()
        self._file: BinaryIO = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)

    def tell(self, message: Answer) -> None:
        self._file.write(msgspec.json.encode(message) + b"\n")
        self._file.flush()


def read_ask(line: bytes) -> Ask:
    spoken = msgspec.json.decode(line, type=_Spoken).protocol
    if spoken != PROTOCOL:
        raise BadInput(
            [
                f"its tollbench speaks protocol {PROTOCOL} of a gate, and ours {spoken}: install "
                "one version of tollbench for both"
            ]
        )
    return msgspec.json.decode(line, type=Ask)


class _Spoken(msgspec.Struct):
    protocol: int


def _loaded(found: FoundFlow, ask: Ask) -> Loaded:
    if strayed := _strayed(ask):
        raise BadInput([strayed])
    return told_of(found, ask, own_code=loads_own_code(ask, Path.cwd()))


def _strayed(ask: Ask) -> str:
    """Says that code of the other side runs here; "" where none does."""
    found = loaded_from(Path(ask.other), [Path.cwd()]) if ask.other else []
    if not found:
        return ""
    (name, path), *more = found
    other = SIDES[1 - SIDES.index(ask.side)]
    also = f" and {len(more)} more" if more else ""
    return (
        f"it would run code of {other}, {path} ({name}){also}: give {ask.side} an environment of "
        f"its own, in {Path.cwd() / '.venv'} or by --{ask.side}-python"
    )


class _Round:
    """From the mocks' address to the last word."""

    def __init__(self, ask: Ask, found: FoundFlow, serve: Serve, out: _Out) -> None:
        self._ask, self._found, self._serve, self._out = ask, found, serve, out
        self._clock, self._tally = RealClock(), Tally()
        self._watch = Watch(self._clock, ask.drain_s)
        self._tasks: list[asyncio.Task[None]] = []
        self._began = self._cut_off = False
        self._arm: Arm | None = None

    async def play(self) -> Played:
        bug = Crash("", "")
        this = asyncio.current_task()
        assert this is not None
        try:
            await self._play(await _input(), this)
        except asyncio.CancelledError:
            this.uncancel()
            bug = Crash(self._watch.why_none(self._began) if self._cut_off else "", "")
        except Exception as error:
            bug = _bug(error)
        return self._told(bug if bug.reason else Crash(_strayed(self._ask), ""))

    async def _play(self, orders: asyncio.StreamReader, this: asyncio.Task[object]) -> None:
        """The round, after a turn that opens connections and loads code, in no figure."""
        ask, clock = self._ask, self._clock
        async with AsyncExitStack() as stack:
            stack.enter_context(self._found.playing())
            way = await stack.enter_async_context(
                socket_way(self._found.setup, self._serve.base_url)
            )
            await stack.enter_async_context(leaving_no_task())
            self._tasks.append(asyncio.create_task(self._attend(this)))
            warm = self._watch.over(self._found.arm(WARM_UP_ROUND, clock, way), 1)
            await run_round(clock, [warm], self._plan(warm, WARM_UP_ROUND, 1).own, Tally())
            conversations = -(-ask.turns // self._found.setup.scenario.turns)
            arm = self._watch.over(self._found.arm(ask.round, clock, way), conversations)
            plan = self._plan(arm, ask.round, ask.turns)
            self._arm = arm

            async def begin() -> float:
                self._out.tell(Ready(clock.now(), plan.digest))
                line = await orders.readline()
                if not line:
                    raise asyncio.CancelledError
                self._tasks.append(asyncio.create_task(_end_with_input(orders, this)))
                self._began = True
                return msgspec.json.decode(line, type=Begin).at_s

            with Spool(Path(self._serve.spool)) as spool:
                await run_round(clock, [arm], plan.own, self._tally, tell=spool.add, begin=begin)

    async def _attend(self, this: asyncio.Task[object]) -> None:
        """Say that the loop turns, and cut off what is left where nothing of it ever ends."""
        while not self._watch.is_stuck():
            self._out.tell(Alive())
            await asyncio.sleep(min(ALIVE_S, self._ask.drain_s))
        self._cut_off = True
        this.cancel()

    def _plan(self, arm: Arm, round_: int, turns: int) -> "SidePlan":
        setup = self._found.setup
        return plan_of(
            self._ask.side,
            arm,
            setup.seed,
            round_,
            turns=turns,
            turns_each=setup.scenario.turns,
            rate=setup.rate,
        )

    def _told(self, bug: Crash) -> Played:
        tally, strain = self._tally, self._tally.strain
        beliefs = self._arm.world.beliefs if self._arm else None
        return Played(
            due=tally.due,
            started=tally.started,
            finished=tally.finished,
            failed=tally.failed,
            running=tally.running,
            leaks=tally.leaks,
            fault=tally.fault,
            failures=[Failure(*of, n) for of, n in tally.causes.items()],
            cpu_share=strain.cpu_share,
            connections=strain.connections,
            calls=strain.calls,
            loop_lags_ms=[round(lag, 3) for lag in strain.loop_lags_ms],
            own_code=loads_own_code(self._ask, Path.cwd()),
            bug=bug.reason,
            trace=bug.trace,
            beliefs=msgspec.Raw(msgspec.json.encode(None if beliefs is None else list(beliefs))),
            cut=sorted(self._arm.cut) if self._arm else [],
        )


def _bug(error: Exception) -> Crash:
    """What a flow does that cannot be played is no bug of ours to show the way to."""
    cause = innermost(error)
    return Crash(str(cause), "") if isinstance(cause, BadFlow) else Crash.of(error)


class SidePlan(NamedTuple):
    """A side's part of a round, and what both parts together look like."""

    own: list[Due]
    digest: str


def plan_of(
    side: Side, arm: Arm, seed: int, round_: int, *, turns: int, turns_each: int, rate: float
) -> SidePlan:
    """Each conversation comes to both sides, half a gap apart, in an order by chance. Its user has
    one name on both, and so meets the same draws."""
    both = [replace(arm, name=name) for name in SIDES]
    schedule = round_schedule(seed, round_, both, turns=turns, turns_each=turns_each, rate=rate)
    whole = [(due.when, due.conversation, due.arm.name, due.turns) for due in schedule]
    own = [
        replace(due, arm=arm, user=f"r{round_}c{due.conversation}")
        for due in schedule
        if due.arm.name == side
    ]
    return SidePlan(own, blake2b(msgspec.json.encode(whole), digest_size=8).hexdigest())


async def _end_with_input(orders: asyncio.StreamReader, this: asyncio.Task[object]) -> None:
    await orders.read(1)
    this.cancel()


async def _input() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    return reader


if __name__ == "__main__":
    sys.exit(main())
