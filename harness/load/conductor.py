"""Locust's side: its users become an arrival rate, and the turns of engine processes its requests.

Every worker starts one engine, which makes the load and measures it; the master, or the only
process, starts the mocks that they share. Nothing here measures or knows a scenario or a mock.
Importing this file imports Locust, which patches the whole process for gevent.
"""

import json
import logging
import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import gevent
import locust.stats
import msgspec
from gevent.lock import RLock
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.event import EventHook, Events
from locust.rpc import Message
from locust.runners import STATE_MISSING, LocalRunner, MasterRunner, Runner, WorkerRunner

from harness.load.child import Child
from harness.load.pipe import Account, Order, Turn, samples, verdict

USAGE, INVALID = 2, 4
"""Exit codes: a command line that cannot be used, and a run that cannot be believed."""

DRAIN_S = 120.0
"""How long turns in flight may take to end after a stop. Most take a few seconds."""

OPTIONS = {
    "scenario": ("conversation", "A shipped scenario, or a .py file."),
    "strategy": ("baseline", "The mitigations that are on, or baseline."),
    "flow-rate": ("1", "Turns per second for each user."),
    "seed": ("1", "The same seed draws the same weather."),
    "think-scale": (None, "Multiplies think times and token lifetimes. [default: 0.02]"),
    "pay": (None, "Payment profile, or a TOML file. [default: wechat-ai]"),
    "intent": (None, "Model that reads the wish. [default: gpt-4o]"),
    "confirm": (None, "Model that confirms. [default: gpt-4o]"),
    "reason": (None, "Model that reasons about refunds. [default: claude-3-5-sonnet]"),
    "score": (None, "Model that scores fraud. [default: mistral-small]"),
    "gateway": (None, "Gateway that all models are asked through."),
    "fallback": (None, "Model that the gateway turns to when one is down."),
}
"""Ours on Locust's command line and in its web form: defaults, and what they are."""

_DRAIN, _DRAINED = "tollbench_drain", "tollbench_drained"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Commands:
    """How to start our processes. `check` reads the options as JSON and answers with what `mocks`
    reads, or fails and has said why; `mocks` answers with its port; `engine` takes lines of
    harness.load.pipe. The last two end when their input does."""

    check: Sequence[str]
    mocks: Sequence[str]
    engine: Sequence[str]


class Conductor:
    """Ties the processes to Locust's events. A locustfile makes one and attaches it."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands
        self._checked: dict[bytes, bytes] = {}
        self._users = 0
        self._engine: _Engine | None = None
        self._test: _Test | None = None
        self._line = ""
        self._lock = RLock()

    def attach(self, events: Events) -> None:
        """Call it while the locustfile is imported, before Locust reads its command line."""
        locust.stats.bucket_response_time = bucket  # type: ignore[assignment]  # any number will do
        _listen(events.init_command_line_parser, self._on_parser)
        _listen(events.init, self._on_init)
        _listen(events.test_start, self._on_test_start)
        _listen(events.test_stopping, self._on_stopping)
        _listen(events.worker_connect, self._on_worker_connect)
        _listen(events.worker_report, self._on_worker_report)
        _listen(events.quit, self._on_quit)

    def user_came(self) -> None:
        """One more user is alive, and so is its share of the rate."""
        self._tell_users(self._users + 1)

    def user_left(self) -> None:
        self._tell_users(self._users - 1)

    def _tell_users(self, users: int) -> None:
        self._users = users
        if self._engine is not None:
            self._engine.set_users(users)

    # The command line.

    def _on_parser(self, parser: LocustArgumentParser, **_: object) -> None:
        for name, (default, what) in OPTIONS.items():
            parser.add_argument(f"--{name}", default=default, help=what)
        parser.add_argument(
            "--param",
            "--set",
            action="append",
            metavar="NAME=VALUE",
            help="A parameter of the scenario; repeatable.",
            include_in_web_ui=False,
        )
        if not self._checked:
            # Now, before Locust forks workers or opens a port, a mistake is one line and no more.
            options, _rest = parser.parse_known_args()
            if not options.worker and self._mock_config(options) is None:
                parser.exit(USAGE)

    def _mock_config(self, options: Namespace) -> bytes | None:
        """None when the options cannot be used; the check has said why on standard error."""
        asked = _asked(options)
        if asked not in self._checked:
            done = subprocess.run(self._commands.check, input=asked, stdout=subprocess.PIPE)
            if done.returncode:
                return None
            self._checked[asked] = done.stdout
        return self._checked[asked]

    # A test, until all that it started has been told.

    def _on_init(self, environment: Environment, runner: Runner, **_: object) -> None:
        # "quitting" is heard in reverse order: added after the runner's own, ours comes before it.
        _listen(environment.events.quitting, self._on_stopping)
        if isinstance(runner, MasterRunner):
            runner.register_message(_DRAINED, self._on_drained)
        if isinstance(runner, WorkerRunner):
            runner.register_message(_DRAIN, self._on_drain, concurrent=True)
            if _options(environment).processes:
                gevent.spawn(_quit_with_parent, runner, os.getppid())

    def _on_test_start(self, environment: Environment, **_: object) -> None:
        runner, options = environment.runner, _options(environment)
        if not isinstance(runner, WorkerRunner):
            self._test = _Test(runner)
            config = self._mock_config(options)
            options.mocks_url = config and self._test.start_mocks(self._commands.mocks, config)
            if not options.mocks_url:
                _give_up(environment, "there are no mocks to load")
        # A worker has the master's options, the mocks' address among them, by now.
        if isinstance(runner, LocalRunner | WorkerRunner) and options.mocks_url:
            self._engine = self._start_engine(environment, runner.worker_index)

    def _start_engine(self, environment: Environment, worker: int) -> "_Engine":
        options = _options(environment)
        begin = {
            "asked": msgspec.Raw(_asked(options)),
            "mocks_url": options.mocks_url,
            "worker": worker,
        }
        return _Engine(
            Child(self._commands.engine, msgspec.json.encode(begin)),
            Path(options.scenario).stem,
            float(options.flow_rate),
            environment.events.request,
            lambda: _give_up(environment, "the engine ended before its time"),
        )

    def _on_stopping(self, environment: Environment, **_: object) -> None:
        """Locust waits for its listeners, so none of it ends before the engines have."""
        runner = environment.runner
        with self._lock:
            if isinstance(runner, WorkerRunner):
                if self._engine is not None:
                    self._account_to_master(environment, runner)
            elif self._test is not None:
                self._close(self._test, environment)

    def _on_drain(self, environment: Environment, msg: Message, **_: object) -> None:
        assert isinstance(environment.runner, WorkerRunner)
        with self._lock:
            self._account_to_master(environment, environment.runner)

    def _account_to_master(self, environment: Environment, runner: WorkerRunner) -> None:
        """The figures first and then the account, so that a master who has this has all of it.
        Locust's own last report comes when its master waits no more than half a second for it."""
        account = self._drain()
        figures: dict[str, object] = {}
        _fire(environment.events.report_to_master, client_id=runner.client_id, data=figures)
        runner.send_message("stats", figures)
        runner.send_message(_DRAINED, {"account": msgspec.to_builtins(account)})

    def _drain(self) -> Account | None:
        engine, self._engine = self._engine, None
        return engine.drain() if engine else Account(0, 0, 0)

    def _on_worker_connect(self, client_id: str, **_: object) -> None:
        if self._test:
            self._test.workers.add(client_id)

    def _on_worker_report(self, data: dict[str, list[dict[str, object]]], **_: object) -> None:
        if self._test:
            self._test.count(data["stats"])

    def _on_drained(self, msg: Message, **_: object) -> None:
        if self._test:
            account = msgspec.convert(msg.data["account"], Account | None)
            self._test.accounts.setdefault(msg.node_id, account)

    def _close(self, test: "_Test", environment: Environment) -> None:
        engine = self._engine
        if isinstance(environment.runner, MasterRunner):
            test.drain_workers(environment.runner)
        else:
            test.accounts["local"] = self._drain()
            test.fired = engine.fired if engine else 0
        self._test = None
        test.end_mocks()
        valid, self._line = test.verdict()
        if not valid:
            environment.process_exit_code = INVALID
        if not _options(environment).headless:
            _log.log(logging.INFO if valid else logging.ERROR, self._line)

    def _on_quit(self, **_: object) -> None:
        if self._line:
            print(f"tollbench: {self._line}", file=sys.stderr)


def bucket(response_ms: float) -> float:
    """Locust sums up response times by two digits, which makes 1051 and 1149 ms the same. By this
    they are kept to 0.1 ms below a second and to 1 ms above."""
    return round(response_ms, 1) if response_ms < 1000 else round(response_ms)


class _Test:
    """One test as the master, or the only process, sees it."""

    def __init__(self, runner: Runner | None) -> None:
        master = runner if isinstance(runner, MasterRunner) else None
        self.workers = set(_alive(master)) if master else {"local"}
        self.accounts: dict[str, Account | None] = {}
        self.fired = 0
        self._mocks: Child | None = None

    def start_mocks(self, command: Sequence[str], config: bytes) -> str:
        """Their base URL, "" when they did not start."""
        self._mocks = Child(command, config)
        port = self._mocks.answer().decode()
        return port and f"http://127.0.0.1:{port}"

    def end_mocks(self) -> None:
        if self._mocks:
            self._mocks.end()

    def count(self, stats: Iterable[dict[str, object]]) -> None:
        """The turns in a worker's report: those that have come through to the table."""
        self.fired += sum(int(str(e["num_requests"])) for e in stats if e["method"] == "TURN")

    def drain_workers(self, master: MasterRunner) -> None:
        """Returns when every worker has accounted for its turns, is gone, or takes too long."""
        master.send_message(_DRAIN)
        with gevent.Timeout(DRAIN_S + 10, False):
            while set(_alive(master)) - self.accounts.keys():
                gevent.sleep(0.05)

    def verdict(self) -> tuple[bool, str]:
        known = self.workers | self.accounts.keys()
        return verdict([self.accounts.get(worker) for worker in known], self.fired)


class _Engine:
    """One test's engine on this worker, and the greenlet that hears it."""

    def __init__(
        self,
        process: Child,
        name: str,
        rate_each: float,
        request: EventHook,
        on_early_end: Callable[[], None],
    ) -> None:
        self.fired = 0
        self._process = process
        self._name = name
        self._rate_each = rate_each
        self._request = request
        self._on_early_end = on_early_end
        self._account: Account | None = None
        self._stopping = False
        self._hearing = gevent.spawn(self._hear)

    def set_users(self, users: int) -> None:
        if not self._stopping:
            self._process.send(msgspec.json.encode(Order(rate=users * self._rate_each)))

    def drain(self) -> Account | None:
        """Stop it and fire what is left of its turns. None when it did not end as it should."""
        self._stopping = True
        self._process.send(msgspec.json.encode(Order(stop=True)))
        self._hearing.join(DRAIN_S)
        self._process.end()
        return self._account

    def _hear(self) -> None:
        decode = msgspec.json.Decoder(Turn | Account).decode
        for line in self._process.answers():
            told = decode(line)
            if isinstance(told, Account):
                self._account = told
            else:
                self._fire(told)
            gevent.sleep(0)  # Or, with a line always waiting, nothing else would have its turn.
        if self._account is None and not self._stopping:
            self._on_early_end()

    def _fire(self, turn: Turn) -> None:
        for sample in samples(turn, self._name):
            _fire(
                self._request,
                request_type=sample.kind,
                name=sample.name,
                response_time=sample.response_ms,
                response_length=0,
                exception=Failed(sample.fault) if sample.fault else None,
                context={},
            )
        self.fired += 1


class Failed(Exception):
    """Why a turn or a call counts as failed; Locust groups its failures by this text."""


# Locust's events carry no types.


def _listen(event: EventHook, handler: Callable[..., None]) -> None:
    event.add_listener(handler)  # type: ignore[no-untyped-call]


def _fire(event: EventHook, **what: object) -> None:
    event.fire(**what)  # type: ignore[no-untyped-call]


def _options(environment: Environment) -> Namespace:
    assert isinstance(environment.parsed_options, Namespace)
    return environment.parsed_options


def _asked(options: Namespace) -> bytes:
    names = [name.replace("-", "_") for name in (*OPTIONS, "param")]
    return json.dumps({name: getattr(options, name) for name in names}).encode()


def _alive(master: MasterRunner) -> list[str]:
    return [worker.id for worker in master.clients.all if worker.state != STATE_MISSING]


def _give_up(environment: Environment, why: str) -> None:
    """Nothing more will be measured; the processes have said why on standard error."""
    _log.error("%s: the reason is above", why)
    # The test of a web interface is its user's to stop.
    if _options(environment).headless and environment.runner is not None:
        gevent.spawn(environment.runner.quit)


def _quit_with_parent(worker: WorkerRunner, parent: int) -> None:
    """A worker that Locust forked would wait a minute for a master that was killed."""
    while os.getppid() == parent:
        gevent.sleep(1)
    worker.quit()
