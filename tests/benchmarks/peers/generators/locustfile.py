"""The users that Locust plays: each asks at its own constant throughput. Only Locust loads this.

How many requests were sent within a window, and what their answers took beyond the delay that the
server told, is written to a file at the end.
"""

import json
import os
import time
from pathlib import Path

from locust import FastHttpUser, constant_throughput, events, task
from locust.contrib.fasthttp import FastResponse

EACH_PER_S = float(os.environ["EACH_PER_S"])
WARM_S = float(os.environ["WARM_S"])
ADDED = Path(os.environ["ADDED"])

WINDOW_S = float(os.environ["WINDOW_S"])

began = 0.0
sent = 0
added_ms: list[float] = []


class Asking(FastHttpUser):
    wait_time = constant_throughput(EACH_PER_S)

    @task
    def ask(self) -> None:
        global sent
        sent += _counts(time.time())
        self.client.get("/")


def begin(**_: object) -> None:
    global began
    began = time.time()


def add(start_time: float, response_time: float, response: FastResponse, **_: object) -> None:
    """`response_time` is Locust's own, in milliseconds and not rounded yet."""
    told = response.headers.get("x-tollbench-told") if response.headers else None
    if told and _counts(start_time):
        added_ms.append(response_time - float(str(told).split(",")[0]))


def write(**_: object) -> None:
    ADDED.write_text(json.dumps({"sent": sent, "added_ms": added_ms}))


def _counts(begun: float) -> bool:
    return WARM_S <= begun - began < WARM_S + WINDOW_S


# Locust leaves its events untyped.
events.test_start.add_listener(begin)  # type: ignore[no-untyped-call]
events.request.add_listener(add)  # type: ignore[no-untyped-call]
events.quitting.add_listener(write)  # type: ignore[no-untyped-call]
