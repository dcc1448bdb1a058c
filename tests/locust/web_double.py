"""Locust's web interface with the tab and a board that its parent moves; nothing is measured.

It prints its port. Each line it reads is a JSON object of what the board has from then on, which it
answers with an empty line; it ends with its input.
"""

import contextlib
import json
import socket
import sys
from collections.abc import Mapping
from types import SimpleNamespace

import gevent
import gevent.fileobject
from locust import User, constant, task
from locust.argument_parser import get_parser
from locust.env import Environment

from harness.load.conductor.web import attach_web
from tests.free_port import free_port
from tests.locust.sample_snapshot import NOWHERE, REFUSAL


class Idle(User):
    """Somebody who can be started, and does nothing."""

    wait_time = constant(1)

    @task
    def nothing(self) -> None:
        pass


def main(base: str, login: bool) -> None:
    moves = gevent.fileobject.FileObject(sys.stdin.buffer, "rb", close=False)
    board = SimpleNamespace(snapshot=b"", folder="", problems=[], stored=False)
    environment = Environment(user_classes=[Idle], parsed_options=get_parser().parse_args([]))
    runner = environment.create_local_runner()
    port = free_port()
    web_ui = environment.create_web_ui("127.0.0.1", port, base, login, delayed_start=True)
    attach_web(web_ui, board, _refuse)
    if login and web_ui.app:
        web_ui.app.secret_key = "of a test"
        web_ui.login_manager.user_loader(lambda _: None)
    web_ui.start()  # type: ignore[no-untyped-call]  # Locust has no type for it
    _await_listener(port)
    print(port, flush=True)
    for line in moves:
        move = json.loads(line)
        vars(board).update(move, snapshot=move["snapshot"].encode())
        print(flush=True)
    runner.quit()


def _refuse(fields: Mapping[str, str]) -> list[str]:
    """As the options of a run are checked: a line for each mistake."""
    return REFUSAL if fields.get("host") == NOWHERE else []


def _await_listener(port: int) -> None:
    """Locust's interface begins to listen in a greenlet of its own."""
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        gevent.sleep(0.01)


if __name__ == "__main__":
    main(sys.argv[1], "login" in sys.argv[2:])
