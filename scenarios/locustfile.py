"""The door for Locust: `locust -f scenarios/locustfile.py` runs a scenario on mocks or on staging.

A user stands for a share of the arrival rate and does nothing itself: turns arrive as in an open
model, `--flow-rate` a second for each user alive, so ramps, load shapes and the web form's number
of users all set the rate. Engine processes make the load and measure it, one beside each worker.
Our mocks listen on loopback, so against them workers belong on the master's machine:
`--processes N`. A LoadTestShape, or a class of users of your own, may stand beside this file's.
"""

import sys

from locust import User, constant, events, task

from harness.load.conductor import Commands, Conductor

# -P: a folder "mocks" or "harness" where the user happens to stand is not ours.
PYTHON = (sys.executable, "-P", "-m")

conductor = Conductor(
    Commands(
        check=(*PYTHON, "harness.cli.locust_check"),
        mocks=(*PYTHON, "mocks.server"),
        engine=(*PYTHON, "harness.cli.engine"),
        collector=(*PYTHON, "harness.cli.collector"),
    )
)
conductor.attach(events)


class Buyers(User):
    """As long as it lives, its share of the turns comes."""

    wait_time = constant(1_000_000)  # A user that waits can be stopped at any time.

    def on_start(self) -> None:
        conductor.user_came()

    def on_stop(self) -> None:
        conductor.user_left()

    @task
    def live(self) -> None:
        pass
