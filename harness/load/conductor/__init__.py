"""Locust's side: its users become an arrival rate, and the turns of engine processes its requests.

Every worker starts an engine, which makes the load and measures it; the master, or the only
process, plans the load, and starts the collector that stores the run, and the mocks where there are
any. Nothing here measures or knows a scenario or a mock. Importing this file imports Locust, which
patches the whole process for gevent.
"""

import logging
import os
import signal
import sys
import time
from collections.abc import Mapping
from functools import cache

import gevent
import locust.stats
from locust import argument_parser
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.event import Events
from locust.rpc import Message
from locust.runners import STATE_SPAWNING, LocalRunner, MasterRunner, Runner, WorkerRunner
from locust.web import WebUI

from harness.load.conductor import messages
from harness.load.conductor.board import Board
from harness.load.conductor.engine_child import Engine
from harness.load.conductor.hooks import fire, listen, options_of
from harness.load.conductor.options import (
    COMMAND_LINE_ONLY,
    Checked,
    Checks,
    add_options,
    argv_of,
    asked_of,
)
from harness.load.conductor.run import LEAD_S, Commands, Run
from harness.load.conductor.run_time import RunTime
from harness.load.conductor.web import attach_web
from harness.load.conductor.workers import Master

__all__ = ["Commands", "Conductor"]

USAGE, INVALID = 2, 4
"""Exit codes: what was asked cannot be run, and a run that cannot be believed."""

STOPPED_EARLY = "The test was stopped before its engines were ready"

MASTER_LOST_S = 6.0
"""A worker that has heard nothing of its master for so long has none any more."""

_log = logging.getLogger(__name__)


class Conductor:
    """Ties the processes to Locust's events. A locustfile makes one and attaches it."""

    def __init__(self, commands: Commands) -> None:
        self.board = Board()
        self._commands = commands
        self._checks = Checks(commands.check)
        self._environment: Environment | None = None
        self._typed = b""
        """The options as they were on the command line."""
        self._run: Run | None = None
        self._run_time = RunTime()
        self._users_by_worker: dict[str, int] = {}
        self._lines: list[str] = []
        # On a worker, or in the only process:
        self._users = 0
        self._telling_users = False
        self._engine: Engine | None = None
        self._engine_run: object = None

    def attach(self, events: Events) -> None:
        """Call it while the locustfile is imported, before Locust reads its command line."""
        locust.stats.bucket_response_time = bucket  # type: ignore[assignment]  # any number will do
        # Locust 2.47 asks for these once for each option whenever users come to a worker, and
        # makes its whole parser anew each time: half a second in which nothing else is heard.
        argument_parser.default_args_dict = cache(argument_parser.default_args_dict)
        listen(events.init_command_line_parser, self._on_parser)
        listen(events.init, self._on_init)
        listen(events.test_start, self._on_test_start)
        listen(events.test_stopping, self._on_stopping)
        listen(events.quit, self._on_quit)

    def user_came(self) -> None:
        """One more user is alive, and so is its share of the rate."""
        self._set_users(self._users + 1)

    def user_left(self) -> None:
        self._set_users(self._users - 1)

    def check_form(self, fields: Mapping[str, str]) -> list[str]:
        """All that is wrong with the options as a form changes them, a line each."""
        assert self._environment is not None
        if self._run is not None and (self._run.is_closing or not self._run.began):
            return ["a test is starting or ending; wait for it, or stop it"]
        if not COMMAND_LINE_ONLY.isdisjoint(fields):
            return [f"{', '.join(sorted(COMMAND_LINE_ONLY))}: only the command line sets these"]
        found = self._checks.check(asked_of(options_of(self._environment), fields))
        return [] if isinstance(found, Checked) else found

    # Before any test

    def _on_parser(self, parser: LocustArgumentParser, **_: object) -> None:
        add_options(parser)
        if self._checks.asked_before:
            return
        # Now, before Locust forks workers or opens a port, a mistake is one line and no more.
        options, _rest = parser.parse_known_args()
        if options.worker:
            return
        found = self._checks.check(asked_of(options))
        if not isinstance(found, Checked):
            parser.exit(USAGE, "".join(f"tollbench: {line}\n" for line in found))

    def _on_init(
        self, environment: Environment, runner: Runner, web_ui: WebUI | None, **_: object
    ) -> None:
        self._environment = environment
        self._typed = asked_of(options_of(environment))
        # "quitting" is heard in reverse order: added after the runner's own, ours comes before it.
        listen(environment.events.quitting, self._on_quitting)
        if isinstance(runner, MasterRunner | LocalRunner):
            for kind, hear in (
                (messages.USERS, self._hear_users),
                (messages.READY, self._hear_ready),
                (messages.HEARD, self._hear_frame),
                (messages.GONE, self._hear_gone),
            ):
                runner.register_message(kind, hear)
            self._run_time.take_over(environment)
        if isinstance(runner, WorkerRunner | LocalRunner):
            runner.register_message(messages.BEGIN, self._begin_engine)
            runner.register_message(messages.TELL, self._tell_engine)
            runner.register_message(messages.STOP, self._stop_engine)
            self._tell_users()  # From now on it hears us.
        if isinstance(runner, WorkerRunner):
            gevent.spawn(self._watch_master, runner, os.getppid())
        if web_ui is not None:
            attach_web(web_ui, self.board, self.check_form)

    # A test, as the master or the only process sees it

    def _on_test_start(self, environment: Environment, **_: object) -> None:
        """Locust waits for this before it lets the first user come."""
        runner = environment.runner
        if not isinstance(runner, MasterRunner | LocalRunner):
            return
        # So that a stop that comes while the engines start is told to us.
        runner.update_state(STATE_SPAWNING)
        self._run_time.hold()
        self.board.clear()
        asked = asked_of(options_of(environment))
        found = self._checks.check_for_test(asked)
        if not isinstance(found, Checked):
            self._refuse(environment, found)
        else:
            run = self._run = self._new_run(environment, runner, asked)
            run.begin(found).join()
            if run.problems and not run.is_closing:
                self._refuse(environment, run.problems)
            elif run.began and not run.is_closing:
                return
        raise gevent.GreenletExit  # Quietly: no user comes.

    def _new_run(self, environment: Environment, runner: Master, asked: bytes) -> Run:
        return Run(
            runner,
            self._commands,
            self.board,
            asked=asked,
            argv=argv_of(sys.argv[1:], self._typed, options_of(environment)),
            users=dict(self._users_by_worker),
            on_go=lambda: self._run_time.start(LEAD_S),
            on_over=lambda why: self._end_early(environment, why),
        )

    def _refuse(self, environment: Environment, problems: list[str]) -> None:
        if options_of(environment).headless:
            environment.process_exit_code = USAGE
            self._lines = [f"tollbench: {line}" for line in problems]
        else:
            for line in problems:
                _log.error("The test did not start: %s", line)
        # Shown when it has ended: until then no other may start.
        _end(environment).link(lambda _: self.board.refuse(problems))

    def _end_early(self, environment: Environment, why: str) -> None:
        """Nothing more will be measured. A web interface stays up."""
        _log.error("The test ends early: %s", why)
        _end(environment)

    def _on_quitting(self, environment: Environment, **_: object) -> None:
        """From here on Ctrl-C is heard no more: it would tear a run that is about to be stored."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._on_stopping(environment)

    def _on_stopping(self, environment: Environment, **_: object) -> None:
        """Locust waits for its listeners, so none of it ends before the engines have."""
        if isinstance(environment.runner, WorkerRunner):
            if self._engine is not None:
                self._engine.stop()
                self._engine.join()
        elif self._run is not None:
            run = self._run
            run.close().join()
            if self._run is run:
                self._run = None
                self._tell_outcome(environment, run)

    def _tell_outcome(self, environment: Environment, run: Run) -> None:
        if not run.began:
            if not run.problems:
                self.board.refuse([STOPPED_EARLY])
                _log.info(STOPPED_EARLY)
            if environment.process_exit_code is None:
                environment.process_exit_code = USAGE if run.problems else INVALID
            return
        if run.closed is None:
            environment.process_exit_code = INVALID
            self._lines = ["INVALID: the run could not be stored; the reason is above"]
        else:
            environment.process_exit_code = run.closed.code
            self._lines = run.closed.lines
        if not options_of(environment).headless:
            _log.info("The test has ended:\n%s", "\n".join(self._lines))

    def _on_quit(self, **_: object) -> None:
        for line in self._lines:
            print(line, file=sys.stderr)

    # What the master hears

    def _hear_users(self, msg: Message, **_: object) -> None:
        self._users_by_worker[msg.node_id] = msg.data["users"]
        if self._run is not None:
            self._run.set_users(msg.node_id, msg.data["users"])

    def _hear_ready(self, msg: Message, **_: object) -> None:
        if self._run is not None and self._run.is_of(msg.data["run"]):
            self._run.hear_ready(msg.node_id, msg.data["problems"])

    def _hear_frame(self, msg: Message, **_: object) -> None:
        if self._run is not None and self._run.is_of(msg.data["run"]):
            self._run.hear(msg.node_id, msg.data["frame"], last=msg.data["last"])

    def _hear_gone(self, msg: Message, **_: object) -> None:
        if self._run is not None and self._run.is_of(msg.data["run"]):
            self._run.hear_gone(msg.node_id, msg.data["why"])

    # What a worker, or the only process, does

    def _set_users(self, users: int) -> None:
        self._users = users
        if not self._telling_users:
            # Once for all that come together.
            self._telling_users = True
            gevent.spawn(self._tell_users)

    def _tell_users(self) -> None:
        self._telling_users = False
        if self._environment is not None:  # Else users came before Locust was whole: told then.
            self._send(messages.USERS, {"users": self._users})

    def _begin_engine(self, environment: Environment, msg: Message, **_: object) -> None:
        run_id = self._engine_run = msg.data["run"]
        if self._engine is not None:
            self._engine.abandon()
        runner = environment.runner
        self._engine = Engine(
            self._commands.engine,
            msg.data["begin"],
            send=lambda kind, data: self._send(kind, {"run": run_id, **data}),
            request=environment.events.request,
            report=lambda: _report(environment, runner),
        )

    def _tell_engine(self, msg: Message, **_: object) -> None:
        if self._engine is not None and self._engine_run == msg.data["run"]:
            self._engine.tell(msg.data["frame"])

    def _stop_engine(self, msg: Message, **_: object) -> None:
        if self._engine is not None and self._engine_run == msg.data["run"]:
            self._engine.stop()

    def _send(self, kind: str, data: dict[str, object]) -> None:
        assert self._environment is not None and self._environment.runner is not None
        self._environment.runner.send_message(kind, data)

    def _watch_master(self, worker: WorkerRunner, parent: int) -> None:
        """A worker that Locust forked ends with its parent, which may have been killed."""
        forked = bool(options_of(worker.environment).processes)
        while True:
            gevent.sleep(1)
            last = worker.last_heartbeat_timestamp
            silent = last is not None and time.time() - last > MASTER_LOST_S
            orphaned = forked and os.getppid() != parent
            if orphaned or (silent and self._engine is not None and not self._engine.ended):
                break
        _log.error("The master is gone: this worker ends, and its engine stores what it measured")
        worker.environment.process_exit_code = INVALID
        if self._engine is not None:
            self._engine.abandon()
            self._engine.join()
        worker.quit()


def bucket(response_ms: float) -> float:
    """Locust sums up response times by two digits, which makes 1051 and 1149 ms the same. By this
    they are kept to four digits, and from a second on to 1 ms."""
    return float(f"{response_ms:.4g}") if response_ms < 1000 else round(response_ms)


def _report(environment: Environment, runner: Runner | None) -> None:
    """Locust's own last report comes when its master waits no more than half a second for it."""
    if isinstance(runner, WorkerRunner):
        figures: dict[str, object] = {}
        fire(environment.events.report_to_master, client_id=runner.client_id, data=figures)
        runner.send_message("stats", figures)


def _end(environment: Environment) -> gevent.Greenlet:
    """In a greenlet of its own, for Locust waits there for all greenlets of the test."""
    runner = environment.runner
    assert runner is not None
    return gevent.spawn(runner.quit if options_of(environment).headless else runner.stop)
