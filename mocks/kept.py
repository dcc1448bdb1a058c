"""Mocks whose books outlive their process: each call is put down before its answer leaves, and a
process that comes after asks them all again. It decides nothing.

A mock decides a call whole when it arrives, from its seed, what it was asked and when: so the same
calls at the same times make the same books, tokens, keys used up, queues and draws, whatever kind
of call they are. All are kept, those that change nothing too: whoever sorted them would have to
know every wire, and each has its place in the order of draws. Beginning again takes as long as
deciding all of them took.

The mocks live on a clock that counts by the time of day and stands still while a call is decided.
"""

import asyncio
import contextlib
import contextvars
import sqlite3
import time
from collections import defaultdict, deque
from collections.abc import Callable, Coroutine, Generator, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import Any, TypeVar
from zlib import crc32

import httpx

from harness.answer import Answer, plain
from harness.books import Movement
from harness.clock import VIRTUAL_DAY_S, Clock
from harness.providers.lean import LeanHeaders, LeanRequest
from harness.providers.told import write_draw
from mocks.admin import Admin
from mocks.courier import Deliver
from mocks.host import IN_PROCESS_URL, Host, Mock, MockConfig
from mocks.kept_file import PATIENCE_MS, CannotKeep, KeptCall, KeptFile, Moved, Now, Try, is_held
from mocks.kept_notices import NOTICE, Behind, Notice, Tell
from mocks.kept_pages import page_of, shifted
from mocks.kept_secrets import without_secrets
from mocks.worlds import Begun, Worlds

T = TypeVar("T")

STEP_S = 60.0
"""Seconds by which the mocks' clock may be off the time of day: beyond them this machine has slept,
or was begun anew. No wire minds less."""

TELL_S = 2.0
"""How often it is told how far the asking again is, and then the sending."""

MakeHouse = Callable[[Clock, Deliver | None, Begun], Mock]


def kept_house(
    config: MockConfig,
    deliver: Deliver | None,
    clock: Clock,
    file: KeptFile,
    tell: Tell,
    workers: int = 1,
) -> "Kept":
    """All that one port serves from so many processes, as the file has it and then as it goes on.
    Raises CannotKeep."""

    def make(kept: Clock, carry: Deliver | None, begun: Begun) -> Mock:
        worlds = Worlds(kept, config, carry, begun)
        return Admin(kept, worlds, config.seed, kept.now(), workers)

    return Kept(make, clock, file, tell, deliver)


def today(real: Clock) -> Now:
    """What the mocks' clock shows when nothing is known of it yet."""
    at_s = real.unix_s() - VIRTUAL_DAY_S
    return Now(at_s, at_s - real.now())


class KeptClock:
    """The time of day, in seconds since the virtual clock's first; it stands still while a call is
    decided, and never runs backwards, also from one process to the next. Between leaps of the
    machine's own time it is the real clock, ahead by a constant."""

    def __init__(self, real: Clock, began: Now) -> None:
        self.name = real.name
        self._real = real
        self._still: float | None = began.at_s
        self._last = began.at_s
        self.ahead_s = began.ahead_s

    @property
    def stands(self) -> bool:
        """Whether a call is being decided."""
        return self._still is not None

    def stand(self, at_s: float) -> None:
        self._still = self._last = at_s

    def arrive(self) -> float:
        """It is now, until `go_on`."""
        real = self._real.now()
        if today(self._real).ahead_s - self.ahead_s > STEP_S:
            self.ahead_s = today(self._real).ahead_s
        self.stand(max(self._last, real + self.ahead_s))
        return self._last

    def go_on(self) -> None:
        self._still = None

    def follow(self) -> None:
        """Go on from what was last, as all that was long ago has been asked again."""
        now = today(self._real)
        if abs(now.ahead_s - self.ahead_s) > STEP_S:
            self.ahead_s = now.ahead_s
        self.ahead_s = max(self.ahead_s, self._last - self._real.now())
        self.go_on()

    def now(self) -> float:
        return self._real.now() + self.ahead_s if self._still is None else self._still

    def unix_s(self) -> float:
        return VIRTUAL_DAY_S + self.now()

    async def sleep_until(self, when: float) -> None:
        await self._real.sleep_until(when - self.ahead_s)


class Kept:
    """A mock, as the file has it and then as it goes on. It is made in a running loop, by whose
    turns the notices go that are still to be sent."""

    def __init__(
        self,
        make: MakeHouse,
        real: Clock,
        file: KeptFile,
        tell: Tell,
        deliver: Deliver | None = None,
    ) -> None:
        """Raises CannotKeep where the file cannot be gone through, and where the mocks answer
        otherwise than those that it was kept by."""
        self._real = real
        self._file = file
        self._deliver = deliver
        self._tell = tell
        self._tries, self._over = file.tries(), file.over()
        self._clock = KeptClock(real, file.began)
        self._began_s = real.now()
        self._moved: list[Moved] = []
        """By the call that is being decided."""
        self._waiting: deque[Callable[[], None]] = deque()
        """What is not in the file yet, as another program holds it."""
        self._held = False
        self._turns = asyncio.Lock()
        self._behind = Behind(tell, file.path, TELL_S)
        self._mock = make(self._clock, self._carry if deliver else None, self._begun)
        self._calls = 0
        self._ended = ""
        """Why the file takes no more, "" while it does."""
        self._asking_again = True
        self._ask_all_again()
        self._asking_again = False
        self._clock.follow()
        file.set_ahead(self._clock.ahead_s)

    @property
    def calls(self) -> int:
        """How many it has decided, in all processes."""
        return self._calls

    def decide(self, request: httpx.Request) -> Answer:
        if request.url.path.startswith("/_"):
            up_s = self._real.now() - self._began_s
            return page_of(self._mock, request, self._clock.ahead_s, up_s)
        if not self._is_whole():
            return self._takes_nothing()
        write_draw(request)
        at_s, number = self._clock.arrive(), self._calls + 1
        answer, is_kept = None, False
        try:
            answer = self._decided(number, request)
        finally:
            # Also of a mock that broke over it: it would again.
            self._clock.go_on()
            self._calls = number
            is_kept = self._keep(number, at_s, request, answer)
        return shifted(answer, self._clock.ahead_s) if is_kept else self._takes_nothing()

    def _keep(
        self, number: int, at_s: float, request: httpx.Request, answer: Answer | None
    ) -> bool:
        shown = without_secrets(request)
        call = KeptCall(
            number, at_s, request.method, shown.target, shown.headers, shown.body,
            _sum(answer) if shown.whole else None,
        )  # fmt: skip
        moved, self._moved = self._moved, []
        return self._put(partial(self._file.add, call, moved))

    def _put(self, write: Callable[[], None]) -> bool:
        """Whether it is in the file. If not, it is tried again before anything else is."""
        if not self._ended:
            self._waiting.append(write)
        return self._is_whole()

    def _is_whole(self) -> bool:
        """Whether all is in the file that is to be. Nobody may know of what is not: until it is,
        nothing is decided, answered or told."""
        while self._waiting and not self._ended:
            try:
                self._waiting[0]()
            except sqlite3.Error as error:
                if is_held(error):
                    self._wait()
                    return False
                self._end(error)
            else:
                self._waiting.popleft()
        if self._held and not self._ended:
            self._held = False
            self._file.wait_for_others(PATIENCE_MS)
        return not self._ended

    def _wait(self) -> None:
        if not self._held:
            self._held = True
            self._file.wait_for_others(0)  # Who has waited once for it in vain asks in passing.
            self._tell(
                f"another program writes to {self._file.path}, so calls are answered 503 until it "
                "has ended"
            )

    def _end(self, error: sqlite3.Error) -> None:
        self._ended = str(error)
        self._waiting.clear()
        self._tell(
            f"{self._file.path} takes no more ({error}), so all calls are answered 503: end "
            "this, make room, and serve again"
        )

    def _takes_nothing(self) -> Answer:
        if self._ended:
            return plain(self._real, 503, f"the ledger takes no more: {self._ended}")
        why = "another program writes to the ledger just now: try again when it has ended"
        return plain(self._real, 503, why)

    def _ask_all_again(self) -> None:
        last, told = self._file.last(), time.monotonic()
        for call in self._file.calls():
            self._ask_again(call)
            self._calls = call.number
            if time.monotonic() - told > TELL_S:
                told = time.monotonic()
                self._tell(f"{self._file.path} is read: call {call.number:,} of {last:,}")

    def _ask_again(self, call: KeptCall) -> None:
        self._clock.stand(call.at_s)
        headers = LeanHeaders(call.headers, "iso-8859-1")
        url = httpx.URL(IN_PROCESS_URL + call.target)
        answer = None
        with contextlib.suppress(Exception):  # A bug of then, which whoever asked was told of.
            answer = self._decided(call.number, LeanRequest(call.method, url, headers, call.body))
        self._moved.clear()
        if call.answered is not None and call.answered != _sum(answer):
            raise CannotKeep(
                f"call {call.number} of {self._file.path}, {call.method} {url.path}, is answered "
                "otherwise now: the mocks have changed since; name another file"
            )

    def _decided(self, number: int, request: httpx.Request) -> Answer:
        """What the mock begins meanwhile is a notice, which must know later whose it is."""
        if self._deliver is None:
            return self._mock.decide(request)
        loop, nth = asyncio.get_running_loop(), count()

        def begin(
            of: asyncio.AbstractEventLoop,
            notice: Coroutine[Any, Any, T] | Generator[Any, None, T],
            **_: object,
        ) -> asyncio.Task[T]:
            assert isinstance(notice, Coroutine)
            place = Notice(number, next(nth))
            context = contextvars.copy_context()
            context.run(NOTICE.set, place)
            carried = self._in_turn(place, notice) if self._asking_again else notice
            task = asyncio.Task(carried, loop=of, context=context)
            task.add_done_callback(partial(self._went, place, notice))
            return task

        before = loop.get_task_factory()
        loop.set_task_factory(begin)
        try:
            return self._mock.decide(request)
        finally:
            loop.set_task_factory(before)

    async def _in_turn(self, place: Notice, notice: Coroutine[Any, Any, T]) -> T:
        """All that were ever begun are due at once, and each takes a moment to sign: in between
        others have theirs. One that is over is not begun."""
        if (place.call, place.nth) in self._over:
            raise asyncio.CancelledError
        self._behind.begun += 1
        async with self._turns:
            await asyncio.sleep(0)
            self._behind.one_gone()
        return await notice

    def _went(
        self, place: Notice, notice: Coroutine[Any, Any, object], task: asyncio.Task[T]
    ) -> None:
        """One that found something to tell only because money moved by then has to find it again:
        no call did that."""
        notice.close()
        if place.tried and not place.moved and not task.cancelled():
            self._put(partial(self._file.add_over, place.call, place.nth))

    async def _carry(self, notice: httpx.Request) -> httpx.Response:
        """A try that was made has come to what it came to then."""
        assert self._deliver is not None
        if not self._is_whole():
            raise httpx.ConnectError("the ledger does not know of it")
        place = NOTICE.get()
        if place is None:  # Nobody's doing, so nobody can know it again.
            return await self._deliver(notice)
        number, place.tried = next(place.tries), True
        before = self._tries.pop((place.call, place.nth, number), None)
        if before is not None:
            if not before.status:
                raise httpx.ConnectError("it was not taken")
            return httpx.Response(before.status, content=before.receipt)
        try:
            receipt = await self._deliver(notice)
            made = Try(receipt.status_code, await receipt.aread())
        except (httpx.HTTPError, OSError):
            self._note(place, number, Try(0, b""))
            raise
        self._note(place, number, made)
        return receipt

    def _note(self, place: Notice, number: int, made: Try) -> None:
        """One that cannot be put down is made once more after the next beginning."""
        self._put(partial(self._file.add_try, place.call, place.nth, number, made))

    def _begun(self, world: str, host: Host) -> None:
        for lane, payment in host.payments.items():
            payment.ledger.on_movement = self._noting(world, lane)

    def _noting(self, world: str, lane: str) -> Callable[[Movement], None]:
        # Those of one order come in one order, whoever looks first at what time has done.
        numbers: defaultdict[str, Iterator[int]] = defaultdict(count)

        def note(of: Movement) -> None:
            day = datetime.fromtimestamp(VIRTUAL_DAY_S + of.at_s, UTC)
            when = day.isoformat(timespec="milliseconds")
            moved = Moved(world, lane, next(numbers[of.order_no]), when, of)
            if self._clock.stands:
                self._moved.append(moved)
            else:
                self._moved_by_time(moved)

        return note

    def _moved_by_time(self, moved: Moved) -> None:
        """A notice looked, and not a call."""
        place = NOTICE.get()
        if place is not None:
            place.moved = True
        self._put(partial(self._file.add_moved, place.call if place else 0, moved))


def _sum(answer: Answer | None) -> int:
    """Of its status and body, which tell whether the mocks went the same way."""
    if answer is None:
        return 0
    seen: Sequence[bytes] = (b"%d" % answer.status, answer.ending.encode(), *answer.chunks)
    return crc32(b"\n".join(seen))
