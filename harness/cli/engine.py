"""The engine of a run that Locust conducts, run by `python -m harness.cli.engine`; no user's verb,
and it never stores a run while there is somebody to tell it to.

Standard input and output are pipes that carry frames of harness.load.pipe: in comes what to run
(Begin), and then orders; out goes that it is ready, a part a quarter of a second, and an account at
the end. It never outlives its input: where that ends without a Stop the conductor is lost, and the
engine ends what is in flight and keeps its own share of the run.
"""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from hashlib import blake2b
from pathlib import Path
from typing import TextIO

import msgspec

from harness import clock as clocks
from harness.cli.asked import Asked, name_of, read, targets_of
from harness.cli.bugs import innermost
from harness.cli.engine_arms import ready_arms
from harness.cli.engine_share import Share
from harness.cli.exits import INVALID, PASS, USAGE, BadInput
from harness.load.arrivals import poisson
from harness.load.books import judged_beside, judged_share
from harness.load.engine import Arm
from harness.load.live import Live
from harness.load.parts import Parts, counts_of
from harness.load.pipe import (
    PREFIX,
    Account,
    Counts,
    FromEngine,
    Go,
    Order,
    Ready,
    Refused,
    Step,
    framed,
)
from harness.load.strain import CpuShare, straining
from harness.real.unsafe import Unsafe
from harness.record.reconciliation import ReconciliationSummary, merged

PART_EVERY_S = 0.25

Books = tuple[ReconciliationSummary | None, ReconciliationSummary | None]
"""As an Account has them: its own, and what is beside all."""


class Begin(msgspec.Struct, frozen=True, kw_only=True):
    """The first frame: what to run, and against what. `worker` names the engine and `index` numbers
    it among those of the run."""

    asked: Asked
    base_url: str
    run_id: str
    worker: str
    index: int


def main() -> int:
    # A scenario may print; what is read from our output must stay ours.
    out, sys.stdout = sys.stdout, sys.stderr
    try:
        return clocks.run("real", _main(out))
    except Exception as error:
        if not isinstance(unsafe := innermost(error), Unsafe):
            raise
        print(f"tollbench: {unsafe}", file=sys.stderr)
        return INVALID


async def _main(standard_output: TextIO) -> int:
    orders, out = await _Orders.open(), await _Out.open(standard_output)
    frame = await orders.frame()
    if frame is None:
        return PASS
    begin, clock = msgspec.msgpack.decode(frame, type=Begin), clocks.RealClock()
    async with AsyncExitStack() as stack:
        try:
            found = read(begin.asked)
            making = ready_arms(
                found,
                begin.base_url,
                begin.run_id,
                begin.index,
                clock,
                apart=targets_of(begin.asked) == "mock",
                folder=Path(begin.asked.out) / begin.run_id.partition(" ")[0],
            )
            arms = await stack.enter_async_context(making)
        except BadInput as error:
            out.tell(Refused(error.problems))
            await out.close()
            return USAGE
        out.tell(Ready())
        go = await orders.next()
        if isinstance(go, Go):
            run = _Run(begin, clock, arms, found.scenario.turns, clock.now() + go.in_s)
            return await run.play(orders, out)
        if go is not None:
            out.tell(Account(0.0, Counts(), None, None, None, 0, ""))
        await out.close()
        return PASS


class _Run:
    """From the origin of its times to the last word."""

    def __init__(
        self,
        begin: Begin,
        clock: clocks.Clock,
        arms: Sequence[Arm],
        turns_each: int,
        origin: float,
    ) -> None:
        self._clock, self._origin, self._arms = clock, origin, arms
        self._parts = Parts(name_of(begin.asked), several=len(arms) > 1)
        self._share = Share(begin.asked, begin.worker)
        self._live = Live(
            clock,
            arms,
            poisson(arms[0].world.seed, "live", rate=1.0),
            name=salt_of(begin.run_id),
            turns_each=turns_each,
            origin=origin,
            tell=self._parts.add,
        )

    async def play(self, orders: "_Orders", out: "_Out") -> int:
        """A bug ends it without an account; what was measured until then is told all the same."""
        with self._share:
            try:
                stopped = await self._until_drained(orders, out)
            except BaseException:
                self._tell_part(out)
                await out.close()
                raise
            self._tell_part(out)
            if stopped:
                out.tell(self._account(*await self._books_meanwhile(out)))
            await out.close()
            if stopped and not out.broken:
                return PASS
            self._share.store(self._live.tally, self._now_s())
            return INVALID

    async def _until_drained(self, orders: "_Orders", out: "_Out") -> bool:
        """Whether it was told to stop; else whoever would tell it is lost."""
        transports = [arm.world.transport for arm in self._arms]
        strain = self._live.tally.strain
        async with straining(self._clock, transports, strain) as cpu, asyncio.TaskGroup() as group:
            obeying = group.create_task(self._obey(orders, cpu))
            telling = group.create_task(self._tell_parts(out))
            await self._live.run()
            telling.cancel()
        return obeying.result()

    async def _obey(self, orders: "_Orders", cpu: CpuShare) -> bool:
        while isinstance(order := await orders.next(), Step):
            self._live.step(order)
        self._live.stop()
        cpu.load_is_over()
        return order is not None

    async def _tell_parts(self, out: "_Out") -> None:
        while True:
            await asyncio.sleep(PART_EVERY_S)
            self._tell_part(out)

    def _tell_part(self, out: "_Out") -> None:
        part = self._parts.take(self._now_s(), self._live.tally)
        self._share.keep(part.records)
        out.tell(part)

    async def _books_meanwhile(self, out: "_Out") -> Books:
        """Parts go on: books of a long run take their time, and who is silent is taken for dead."""
        telling = asyncio.create_task(self._tell_parts(out))
        try:
            return await self._books()
        finally:
            telling.cancel()

    async def _books(self) -> Books:
        """Of its own conversations, and what is beside all. Other engines pay into the same books,
        and may not have ended yet."""
        own: ReconciliationSummary | None = None
        beside: ReconciliationSummary | None = None
        for arm in self._arms:
            told = None if arm.books is None else await arm.books()
            if told is not None:
                # In a thread: the loop has parts to tell.
                share = await asyncio.to_thread(judged_share, arm, told, self._live.played)
                own = merged(own, share)
                beside = merged(beside, await asyncio.to_thread(judged_beside, arm, told))
        return own, beside

    def _account(
        self, books: ReconciliationSummary | None, beside: ReconciliationSummary | None
    ) -> Account:
        tally, strain = self._live.tally, self._live.tally.strain
        return Account(
            at_s=self._now_s(),
            counts=counts_of(tally),
            cpu_share=strain.cpu_share,
            connections=strain.connections,
            calls=strain.calls,
            leaks=tally.leaks,
            fault=tally.fault,
            books=books,
            beside=beside,
        )

    def _now_s(self) -> float:
        return self._clock.now() - self._origin


def salt_of(run_id: str) -> str:
    """Begins every user's name, so that two runs against the same providers share no order."""
    return blake2b(run_id.encode(), digest_size=4).hexdigest()


class _Orders:
    """Frames from standard input."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._decode = msgspec.msgpack.Decoder(Order).decode

    @staticmethod
    async def open() -> "_Orders":
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
        )
        return _Orders(reader)

    async def next(self) -> Order | None:
        frame = await self.frame()
        return None if frame is None else self._decode(frame)

    async def frame(self) -> bytes | None:
        """None where there is none any more."""
        try:
            length = await self._reader.readexactly(PREFIX)
            return await self._reader.readexactly(int.from_bytes(length, "little"))
        except asyncio.IncompleteReadError:
            return None


class _Out(asyncio.Protocol):
    """Standard output that never blocks the loop: a slow reader must not slow what is measured."""

    def __init__(self) -> None:
        self.broken = False
        """Whether there is nobody any more who reads it."""
        self._closing = False
        self._closed = asyncio.Event()
        self._pipe = asyncio.WriteTransport()
        self._encode = msgspec.msgpack.Encoder().encode

    @staticmethod
    async def open(standard_output: TextIO) -> "_Out":
        loop = asyncio.get_running_loop()
        pipe, out = await loop.connect_write_pipe(_Out, standard_output)
        out._pipe = pipe
        return out

    def connection_lost(self, exc: Exception | None) -> None:
        self.broken = exc is not None or not self._closing
        self._closed.set()

    def tell(self, message: FromEngine) -> None:
        if not self._closed.is_set():
            self._pipe.write(framed(self._encode(message)))

    async def close(self) -> None:
        """Wait until all is written or nobody reads any more."""
        self._closing = True
        self._pipe.close()
        await self._closed.wait()


if __name__ == "__main__":
    sys.exit(main())
