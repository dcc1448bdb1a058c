"""One test as the master, or the only process, sees it: from its start until the run is stored.

It plans who makes which load, and passes on what engines tell; it fires no event of Locust's.
"""

import logging
import math
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import gevent
import msgspec

from harness.load.child import Child
from harness.load.conductor.board import Board
from harness.load.conductor.collector_child import Collector
from harness.load.conductor.engine_child import DRAIN_S
from harness.load.conductor.messages import BEGIN, STOP, TELL
from harness.load.conductor.options import Checked
from harness.load.conductor.workers import Master, Worker, alive, index_of, name_of, names
from harness.load.pipe import Close, Closed, Go, Gone, Heard, Planned, Step
from harness.load.shares import Shares, steps

READY_S = 60.0
"""How long engines may take until they can begin. Most take two or three seconds."""

LEAD_S = 1.0
"""From the word to go until the origin of all times: by then the first users are alive."""

TICK_S = 0.25
PLAN_TICK = 3
"""A second is planned on the last of the four ticks before it."""
HEARD_IN_S = 0.1
"""How long a step takes to reach every engine, at the most."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Commands:
    """How to start our processes. `check` reads an Asked as JSON and answers with a Checked, or
    fails and has said why; `mocks` reads a line of configuration and answers with its port;
    `engine` and `collector` take frames of harness.load.pipe. All but the first end when their
    input does."""

    check: Sequence[str]
    mocks: Sequence[str]
    engine: Sequence[str]
    collector: Sequence[str]


class Run:
    """Its two halves, `begin` and `close`, are each a greenlet that nothing but its own end ends:
    Locust kills those that its events come from. What else it does, Locust's messages bring."""

    def __init__(
        self,
        runner: Master,
        commands: Commands,
        board: Board,
        *,
        asked: bytes,
        argv: Sequence[str],
        users: dict[str, int],
        on_go: Callable[[], None],
        on_over: Callable[[str], None],
    ) -> None:
        """`users` are those alive now, by worker. `on_go` is called when the origin is set;
        `on_over` with the reason, when no load can come any more though nobody stopped the test."""
        self.problems: list[str] = []
        self.closed: Closed | None = None
        self.began = False
        self._runner = runner
        self._commands = commands
        self._board = board
        self._asked = asked
        self._argv = argv
        self._on_go = on_go
        self._on_over = on_over
        self._run_id = ""
        self._unique_id = ""
        """Users and traces are named by it. Two runs that begin in the same second in two folders
        have the same id, and must not share an order at one staging."""
        self._base_url = ""
        self._origin = 0.0
        self._workers: dict[str, Worker] = {}
        self._users = users
        self._shares = Shares(float(_field(asked, "flow_rate")))
        self._plans: list[Planned] = []
        self._collector: Collector | None = None
        self._mocks: Child | None = None
        self._pacing: gevent.Greenlet | None = None
        self._beginning: gevent.Greenlet | None = None
        self._closing: gevent.Greenlet | None = None

    # The beginning

    def begin(self, checked: Checked) -> gevent.Greenlet:
        """A greenlet that ends when the engines are about to begin, or `problems` say why not."""
        self._beginning = gevent.spawn(self._begin, checked)
        return self._beginning

    def _begin(self, checked: Checked) -> None:
        self.problems = (
            self._open_collector() or self._find_targets(checked) or self._ready_engines()
        )
        if not self.problems:
            self._go()

    def _open_collector(self) -> list[str]:
        opening = {
            "asked": msgspec.Raw(self._asked_packed()),
            "argv": list(self._argv),
            "workers": names(self._runner),
        }
        self._collector = Collector(
            self._commands.collector,
            msgspec.msgpack.encode(opening),
            self._board,
            lambda: self._on_over("the collector ended before its time; the reason is above"),
        )
        opened = self._collector.opened()
        if opened is None:
            return ["the run cannot be stored; the reason is above"]
        self._run_id = opened.run_id
        self._unique_id = f"{opened.run_id} {secrets.token_hex(8)}"
        return []

    def _find_targets(self, checked: Checked) -> list[str]:
        self._base_url = checked.base_url
        if bytes(checked.mocks) != b"null":
            self._mocks = Child(self._commands.mocks, bytes(checked.mocks))
            port = self._mocks.answer().decode()
            if not port:
                return ["the mocks did not start; the reason is above"]
            self._base_url = f"http://127.0.0.1:{port}"
        return []

    def _ready_engines(self) -> list[str]:
        for id in alive(self._runner):
            self.invite(id)
        with gevent.Timeout(READY_S, False):
            while not self.problems and self._late():
                gevent.sleep(TICK_S / 10)
                self._watch()
        slow = [
            f"{name_of(self._runner, id)} was not ready within {READY_S:.0f} s"
            for id in self._late()
        ]
        none = [] if any(w.ready for w in self._workers.values()) else ["no engine is ready"]
        return self.problems or slow or none

    def _late(self) -> list[str]:
        """Who is there, and neither ready nor over."""
        over = {w.id for w in self._workers.values() if w.ready or w.over}
        return [id for id in alive(self._runner) if id not in over]

    def invite(self, id: str) -> None:
        """Let that worker start an engine, if it has spoken to us: what a worker is told before is
        lost. One that comes later joins with the next step."""
        if self._closing or not self._base_url or id not in self._users or id in self._workers:
            return
        worker = self._workers[id] = Worker(id, name_of(self._runner, id))
        begin = {
            "asked": msgspec.Raw(self._asked_packed()),
            "base_url": self._base_url,
            "run_id": self._unique_id,
            "worker": worker.name,
            "index": index_of(self._runner, id),
        }
        frame = msgspec.msgpack.encode(begin)
        self._send(BEGIN, worker, {"name": worker.name, "begin": frame})

    def _go(self) -> None:
        self._origin = time.monotonic() + LEAD_S
        self.began = True
        for id in self._workers:
            self._shares.set_users(name_of(self._runner, id), self._users.get(id, 0))
        playing = [worker for worker in self._workers.values() if worker.ready and not worker.over]
        for worker in playing:
            self._let_go(worker)
        self._on_go()
        self._pacing = gevent.spawn(self._pace)
        # An engine speaks as soon as it knows the origin. Users who come before would keep the
        # word from it: Locust is busy with each that it lets come.
        while self._elapsed_s < 0 and not all(worker.heard or worker.over for worker in playing):
            gevent.sleep(TICK_S / 10)

    def _let_go(self, worker: Worker) -> None:
        """All arrivals hang on all rates before, so one that comes late hears of those first."""
        self._tell(worker, Go(-self._elapsed_s))
        for plan in self._plans:
            self._tell(worker, Step(plan.from_s, plan.rate, 0, 0))
        self._shares.join(worker.name, index_of(self._runner, worker.id))

    # While it lasts: what workers say. None of this waits, for it holds up Locust's messages.

    def is_of(self, run_id: object) -> bool:
        return run_id == self._run_id

    def set_users(self, id: str, users: int) -> None:
        self._users[id] = users
        self.invite(id)
        if self.began and id in self._workers:
            self._shares.set_users(name_of(self._runner, id), users)

    def hear_ready(self, id: str, problems: list[str]) -> None:
        worker = self._workers[id]
        if problems:
            worker.over = True
            if self.began:
                _log.error("%s takes no part: %s", worker.name, "; ".join(problems))
            else:
                self.problems = problems
            return
        worker.ready = True
        if self.began and not self._closing:
            self._let_go(worker)

    def hear(self, id: str, frame: bytes, *, last: bool) -> None:
        worker = self._workers[id]
        worker.heard = True
        if self._collector is not None:
            self._collector.tell(Heard(worker.name, frame))
        if last:
            worker.over = True
            self._shares.leave(worker.name)
            # It was not told to stop yet: it is its worker that ends.
            self._shares.set_users(worker.name, 0)
            self._look_for_players()

    def hear_gone(self, id: str, why: str) -> None:
        """Its engine gives no account."""
        worker = self._workers[id]
        if worker.over:
            return
        worker.over = True
        self._shares.leave(worker.name)
        if self.began and not worker.ready:
            _log.error("%s took no part: %s", worker.name, why)
        elif self.began and self._collector is not None:
            _log.error("The engine of %s is gone: %s", worker.name, why)
            self._collector.tell(Gone(worker.name, why, self._elapsed_s))
            self._look_for_players()
        elif not self._closing:
            self.problems = [f"the engine of {worker.name}: {why}; the reason is above"]

    def _look_for_players(self) -> None:
        if self.began and not self._closing and not self._shares.players:
            self._on_over("no engine is left to make the load")

    def _pace(self) -> None:
        while True:
            tick = int(self._elapsed_s // TICK_S) + 1
            gevent.sleep(max(0.0, self._origin + tick * TICK_S - time.monotonic()))
            self._watch()
            if tick % 4 == PLAN_TICK:
                # A whole second later where this comes late, so that engines hear of it in time.
                self._plan(math.floor(self._elapsed_s + HEARD_IN_S) + 1.0)

    def _plan(self, from_s: float) -> None:
        planned = self._shares.change(from_s)
        if planned is None or self._collector is None:
            return
        self._plans.append(planned)
        told = steps(planned)
        for worker in self._workers.values():
            if worker.ready and not worker.over:
                self._tell(worker, told.get(worker.name, Step(from_s, planned.rate, 0, 0)))
        self._collector.tell(planned)

    def _watch(self) -> None:
        """A worker that Locust takes for dead has no engine either that could be heard."""
        there = set(alive(self._runner))
        for worker in list(self._workers.values()):
            if not worker.over and worker.id not in there:
                self._shares.set_users(worker.name, 0)
                self.hear_gone(worker.id, "nothing was heard of its worker any more")

    # The end

    def close(self) -> gevent.Greenlet:
        """A greenlet that ends when all that was started is accounted for and the run is stored."""
        if self._closing is None:
            self._closing = gevent.spawn(self._close)
        return self._closing

    @property
    def is_closing(self) -> bool:
        return self._closing is not None

    def _close(self) -> None:
        for greenlet in (self._beginning, self._pacing):
            if greenlet is not None:
                greenlet.kill()
        stopped_s = self._elapsed_s
        for worker in self._workers.values():
            if not worker.over:
                self._send(STOP, worker, {})
        self._await_accounts()
        if self._collector is not None and self.began:
            self._collector.tell(Planned(stopped_s, 0.0, []))
            self.closed = self._collector.close(Close(stopped_s))
        elif self._collector is not None:
            self._collector.drop()
        if self._mocks is not None:
            self._mocks.end()

    def _await_accounts(self) -> None:
        with gevent.Timeout(DRAIN_S + 10, False):
            while not all(worker.over for worker in self._workers.values()):
                gevent.sleep(TICK_S / 10)
                self._watch()
        for worker in self._workers.values():
            self.hear_gone(worker.id, "it gave no account in time")

    # The ways out of here

    @property
    def _elapsed_s(self) -> float:
        """Since the origin; negative before it."""
        return time.monotonic() - self._origin

    def _tell(self, worker: Worker, frame: Go | Step) -> None:
        self._send(TELL, worker, {"frame": msgspec.msgpack.encode(frame)})

    def _send(self, kind: str, worker: Worker, data: dict[str, object]) -> None:
        self._runner.send_message(kind, {"run": self._run_id, **data}, worker.id)

    def _asked_packed(self) -> bytes:
        return msgspec.msgpack.encode(msgspec.json.decode(self._asked))


def _field(asked: bytes, name: str) -> str:
    return str(msgspec.json.decode(asked)[name])
