"""How long a test lasts, counted from its first arrival; it ends a test and starts none.

Locust's own limit begins when Locust does, and would cut what the engines need to start.
"""

import logging

import gevent
from locust.env import Environment

from harness.load.conductor.hooks import options_of

_log = logging.getLogger(__name__)


class RunTime:
    """The limit of --run-time, or of the web form."""

    def __init__(self) -> None:
        self._environment: Environment | None = None
        self._limit_s: float | None = None
        self._form_limit_s: float | None = None
        self._timer: gevent.Greenlet | None = None

    def take_over(self, environment: Environment) -> None:
        """Before Locust sets its own timer."""
        self._environment = environment
        options = options_of(environment)
        automatic = options.headless or options.autostart
        if options.run_time and automatic and not environment.shape_class:
            self._limit_s, options.run_time = float(options.run_time), None
            logging.getLogger("locust.main").addFilter(self._reword)

    def hold(self) -> None:
        """A test is about to start. The timer of the web form runs already: take it away."""
        assert self._environment is not None
        if self._timer is not None:
            self._timer.kill(block=False)  # Of a test that was stopped before.
        web_ui = self._environment.web_ui
        self._form_limit_s = None
        if web_ui is not None and getattr(web_ui, "_run_time_greenlet", None) is not None:
            web_ui._cancel_run_time_timer()  # type: ignore[no-untyped-call]  # Locust's own gap
            self._form_limit_s = float(options_of(self._environment).run_time)

    def start(self, lead_s: float) -> None:
        """The first arrival may come so many seconds from now."""
        environment = self._environment
        assert environment is not None
        if environment.shape_class is not None:
            environment.shape_class.reset_time()  # type: ignore[no-untyped-call]  # Locust's own gap
        if self._limit_s is not None:
            options_of(environment).run_time = self._limit_s  # Reports tell it.
            self._timer = gevent.spawn_later(lead_s + self._limit_s, self._end)
            self._limit_s = None  # A second test is started in the web interface.
        elif self._form_limit_s is not None:
            web_ui, limit_s = environment.web_ui, self._form_limit_s
            assert web_ui is not None
            web_ui._run_time_greenlet = gevent.spawn_later(lead_s + limit_s, web_ui._stop_runners)

    def _end(self) -> None:
        assert self._environment is not None and self._environment.runner is not None
        options, runner = options_of(self._environment), self._environment.runner
        if options.headless:
            _log.info("--run-time limit reached, shutting down")
            runner.quit()
            return
        _log.info("--run-time limit reached, stopping test")
        runner.stop()
        if options.autoquit != -1:
            gevent.sleep(options.autoquit)
            runner.quit()
            if self._environment.web_ui is not None:
                self._environment.web_ui.stop()  # type: ignore[no-untyped-call]  # as above

    def _reword(self, record: logging.LogRecord) -> bool:
        if record.msg.startswith("No run time limit set"):
            record.msg = f"Run time limit set to {self._limit_s:g} seconds from the first arrival"
        return True
