"""Locust's side: its users become an arrival rate, and an engine process's turns its requests.

Each worker starts one engine, which makes the load and measures; the master starts the mocks that
they share. Nothing here measures, waits for a turn, or knows what a scenario or a mock is. Importing
this file imports Locust, which patches the whole process for gevent.
"""

import json
import logging
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import gevent
import locust.stats
import msgspec
from gevent import subprocess
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.event import EventHook, Events
from locust.rpc import Message
from locust.runners import STATE_MISSING, LocalRunner, MasterRunner, Runner, WorkerRunner

INVALID = 4
"""The exit code of a run whose figures cannot be believed."""

DRAIN_S = 120.0
"""How long turns in flight may take to end after a stop; most need a few seconds."""

_DRAIN, _DRAINED = "tollbench_drain", "tollbench_drained"
_log = logging.getLogger(__name__)


def bucket(response_time_ms: float) -> float:
    """Locust keeps response times rounded to two digits, so that 1051 and 1149 ms are the same.
    Kept here to four, and to 0.1 ms below a second."""
    return round(response_time_ms, 1) if response_time_ms < 1000 else round(response_time_ms)


@dataclass(frozen=True, slots=True)
class Commands:
    """How to start our processes. `check` reads the options as JSON and answers with what `mocks`
    reads; `mocks` answers with its port; `engine` is told what to run, and then orders."""

    check: Sequence[str]
    mocks: Sequence[str]
    engine: Sequence[str]


class _Flow(msgspec.Struct):
    response_ms: float
    outcome: str


class _Span(msgspec.Struct):
    stage: str
    provider: str
    start_s: float
    end_s: float
    status: int


class _Turn(msgspec.Struct, tag="turn"):
    """A line of the engine's; the fields that Locust has no use for are left out."""

    flow: _Flow
    spans: list[_Span]
    fault: str


class _Account(msgspec.Struct, tag="account"):
    due: int
    started: int
    finished: int


class Failed(Exception):
    """Why a turn or a call counts as failed; Locust groups its failures by this text."""


class _Process:
    """A child that reads lines and ends when its input does, however this process may die."""

    def __init__(self, command: Sequence[str], first_line: bytes) -> None:
        self._popen = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is Locust's to handle
        )
        self.send(first_line)

    def send(self, line: bytes) -> None:
        try:
            self._popen.stdin.write(line + b"\n")
            self._popen.stdin.flush()
        except OSError:
            pass  # It has died; whoever reads its answers finds out.

    def answers(self) -> Iterable[bytes]:
        return self._popen.stdout

    def answer(self) -> bytes:
        return self._popen.stdout.readline().strip()

    def end(self, patience_s: float) -> None:
        try:
            self._popen.stdin.close()
        except OSError:
            pass
        try:
            self._popen.wait(timeout=patience_s)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()


class _Engine:
    """The engine of one test on this worker, and the greenlet that hears it."""

    def __init__(self, process: _Process, name: str, request: EventHook) -> None:
        self.fired = 0
        self.account: _Account | None = None
        self._process = process
        self._name = name
        self._request = request
        self._stopping = False
        self._hearing = gevent.spawn(self._hear)

    def set_rate(self, turns_per_s: float) -> None:
        if not self._stopping:
            self._process.send(json.dumps({"rate": turns_per_s}).encode())

    def drain(self) -> None:
        """Stop it, and return when all its turns have been fired."""
        if not self._stopping:
            self._stopping = True
            self._process.send(b'{"stop": true}')
        self._hearing.join(DRAIN_S)
        self._process.end(patience_s=5)

    def _hear(self) -> None:
        decode = msgspec.json.Decoder(_Turn | _Account).decode
        for line in self._process.answers():
            told = decode(line)
            if isinstance(told, _Account):
                self.account = told
            else:
                self._fire_turn(told)
            gevent.sleep(0)  # A reader that is never out of lines would starve the others.
        if self.account is None:
            _log.error("the engine process ended before its time: its error is above")

    def _fire_turn(self, turn: _Turn) -> None:
        flow = turn.flow
        why = f"{flow.outcome}: {turn.fault}" if turn.fault else flow.outcome
        failed = flow.outcome in ("error", "unknown")
        self._fire("TURN", self._name, flow.response_ms, why if failed else "")
        for span in turn.spans:
            kind = "CALL" if span.provider else "STEP"
            self._fire(kind, span.stage, (span.end_s - span.start_s) * 1e3, _fault(span))
        self.fired += 1

    def _fire(self, kind: str, name: str, ms: float, fault: str) -> None:
        self._request.fire(
            request_type=kind,
            name=name,
            response_time=ms,
            response_length=0,
            exception=Failed(fault) if fault else None,
            context={},
        )


def _fault(span: _Span) -> str:
    """A refusal is an answer: only a call that got none, or was turned away, has failed."""
    if not span.provider:
        return ""
    if span.status == 0:
        return "no answer"
    return f"status {span.status}" if span.status == 429 or span.status >= 500 else ""


class Conductor:
    """Ties the processes to Locust's events. A locustfile makes one and attaches it."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands
        self._options: list[str] = []
        self._checked: dict[bytes, bytes] = {}
        self._users = 0
        self._engine: _Engine | None = None
