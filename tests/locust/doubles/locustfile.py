"""The shipped locustfile's users, conducted with doubles of all processes; it opens no socket.

A worker that is started with the intent option "deaf" hears only Locust itself for a while.
"""

import sys
import time

from locust import User, constant, events, task
from locust.env import Environment

from harness.load.conductor import Commands, Conductor

PYTHON = (sys.executable, "-m")

conductor = Conductor(
    Commands(
        check=(*PYTHON, "tests.locust.doubles.check"),
        mocks=(*PYTHON, "tests.locust.doubles.no_mocks"),
        engine=(*PYTHON, "tests.locust.doubles.engine"),
        collector=(*PYTHON, "tests.locust.doubles.collector"),
    )
)


def _be_deaf(environment: Environment, **_: object) -> None:
    if getattr(environment.parsed_options, "intent", None) == "deaf":
        time.sleep(1.5)


events.init.add_listener(_be_deaf)  # type: ignore[no-untyped-call]  # Locust has no types
conductor.attach(events)


class Buyers(User):
    wait_time = constant(1_000_000)

    def on_start(self) -> None:
        conductor.user_came()

    def on_stop(self) -> None:
        conductor.user_left()

    @task
    def live(self) -> None:
        pass
