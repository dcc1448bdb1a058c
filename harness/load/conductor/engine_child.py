"""One test's engine beside its worker: passes on what it is told and what it tells; plans nothing.

Its turns become requests of this worker for Locust, and all that it tells goes to the master.
"""

from collections.abc import Callable, Sequence

import gevent
import msgspec
from locust.event import EventHook

from harness.load.child import PATIENCE_S, FrameChild
from harness.load.conductor.hooks import fire
from harness.load.conductor.messages import GONE, HEARD, READY
from harness.load.pipe import Account, FromEngine, Part, Ready, Refused, Sample, Stop

DRAIN_S = 120.0
"""How long turns in flight may take to end after a stop. Most take a few seconds."""

SILENT_S = 15.0
"""An engine tells something every second; one that was silent for so long hangs."""

Send = Callable[[str, dict[str, object]], None]
"""A message to the master: its type, and what it says."""


class Engine:
    """A running engine, and the greenlet that hears it."""

    def __init__(
        self,
        command: Sequence[str],
        begin: bytes,
        *,
        send: Send,
        request: EventHook,
        report: Callable[[], None],
    ) -> None:
        """`report` tells the master all that Locust counted here, before the account goes out."""
        self._send = send
        self._request = request
        self._report = report
        self._child = FrameChild(command, begin)
        self._limit: gevent.Greenlet | None = None
        self._plays = False
        self._accounted = False
        self._lost = False
        self._killed_for = ""
        self._hearing = gevent.spawn(self._hear)

    def tell(self, frame: bytes) -> None:
        self._child.send(frame)

    def stop(self) -> None:
        """Let it end. It has DRAIN_S for that, and PATIENCE_S where it has not begun."""
        if self._limit is None:
            self._child.send(msgspec.msgpack.encode(Stop()))
            limit_s = DRAIN_S if self._plays else PATIENCE_S
            why = f"it did not end within {limit_s:.0f} s of the stop"
            self._limit = gevent.spawn_later(limit_s, self._kill, why)

    def abandon(self) -> None:
        """There is no master any more: let it end, and store by itself what it measured."""
        self._lost = True
        self._child.close()
        self._limit = self._limit or gevent.spawn_later(DRAIN_S, self._kill, "")

    def join(self) -> None:
        """Until it has ended, and all that it told has been passed on."""
        self._hearing.join()

    @property
    def ended(self) -> bool:
        return bool(self._hearing.ready())

    def _hear(self) -> None:
        silent = False
        try:
            silent = self._pass_on_all()
        finally:
            self._end(silent)

    def _pass_on_all(self) -> bool:
        """True where it hangs."""
        decode = msgspec.msgpack.Decoder(FromEngine).decode
        frames = self._child.frames()
        while True:
            frame = None
            limit_s = SILENT_S if self._plays and not self._lost else None
            with gevent.Timeout(limit_s, False):
                frame = next(frames, b"")
            if not frame:
                return frame is None
            self._pass_on(decode(frame), frame)

    def _pass_on(self, told: FromEngine, frame: bytes) -> None:
        match told:
            case Ready():
                self._say(READY, {"problems": []})
            case Refused(problems):
                self._accounted = True  # There is nothing to account for.
                self._say(READY, {"problems": problems})
            case Part():
                self._plays = True
                self._fire(told.samples)
                self._say(HEARD, {"frame": frame, "last": False})
            case Account():
                self._accounted = True
                self._report_if_heard()
                self._say(HEARD, {"frame": frame, "last": True})

    def _fire(self, samples: Sequence[Sample]) -> None:
        for n, sample in enumerate(samples):
            fire(
                self._request,
                request_type=sample.kind,
                name=sample.name,
                response_time=sample.response_ms,
                response_length=0,
                exception=Failed(sample.fault) if sample.fault else None,
                context={},
            )
            if n % 100 == 99:
                gevent.sleep(0)  # Or a large part would hold up heartbeats.

    def _end(self, silent: bool) -> None:
        if silent:
            self._kill(f"it hung: it said nothing for {SILENT_S:.0f} s")
        code = self._child.end()
        if self._limit is not None:
            self._limit.kill(block=False)
        if not self._accounted:
            self._report_if_heard()
            self._say(GONE, {"why": self._killed_for or _how(code)})

    def _kill(self, why: str) -> None:
        self._killed_for = why
        self._child.kill()

    def _report_if_heard(self) -> None:
        if not self._lost:
            self._report()

    def _say(self, kind: str, data: dict[str, object]) -> None:
        if not self._lost:
            self._send(kind, data)


class Failed(Exception):
    """Why a turn or a call counts as failed; Locust groups its failures by this text."""


def _how(code: int) -> str:
    if code < 0:
        return f"it was killed by signal {-code}"
    return f"it ended before its time, with code {code}"
