"""Which workers there are, and how each is called; it sends them nothing.

A run without workers has one that is this process itself.
"""

from dataclasses import dataclass

from locust.runners import STATE_MISSING, LocalRunner, MasterRunner

LOCAL = "local"
Master = MasterRunner | LocalRunner


@dataclass(slots=True)
class Worker:
    """One that was asked to begin."""

    id: str
    name: str
    ready: bool = False
    heard: bool = False
    """Its engine has told of the run."""
    over: bool = False
    """Its engine has accounted, or is gone."""


def alive(runner: Master) -> list[str]:
    """The ids of the workers that Locust hears of."""
    if isinstance(runner, LocalRunner):
        return [LOCAL]
    return [worker.id for worker in runner.clients.all if worker.state != STATE_MISSING]


def names(runner: Master) -> list[str]:
    """Of those, in the order in which they came."""
    ids = sorted(alive(runner), key=lambda id: index_of(runner, id))
    return [name_of(runner, id) for id in ids]


def name_of(runner: Master, id: str) -> str:
    """Short, and the same for as long as the master lives."""
    return f"{id.rpartition('_')[0]}-{index_of(runner, id)}" if id != LOCAL else LOCAL


def index_of(runner: Master, id: str) -> int:
    if isinstance(runner, MasterRunner):
        index = runner.get_worker_index(id)  # type: ignore[no-untyped-call]  # Locust's gap
        return int(index)
    return 0
