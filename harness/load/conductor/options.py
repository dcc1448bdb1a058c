"""Our options on Locust's command line and in its web form; whether they can be used, others tell.

A check is a process of its own, so that nothing which it needs is loaded into Locust's.
"""

import subprocess
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence

import msgspec
from locust.argument_parser import LocustArgumentParser

OPTIONS: dict[str, tuple[str | None, str]] = {
    "scenario": ("conversation", "A shipped scenario, a .py file, or app-chat for a tested app."),
    "strategy": ("baseline", 'The mitigations that are on; several side by side with " vs ".'),
    "flow-rate": ("1", "Turns per second for each user."),
    "targets": ("mock", "mock: ours, on loopback; staging: what answers at the host; real."),
    "slo": (None, "What must hold, as in: p95<3s, confirm p99<1500ms"),
    "seed": ("1", "The same seed draws the same weather."),
    "mocks-url": (None, "Where the served mocks behind a tested app answer."),
    "think-scale": (None, "Multiplies think times and token lifetimes. [default: 0.02]"),
    "pay": (None, "Payment profile, or a TOML file. [default: wechat-ai]"),
    "intent": (None, "Model that reads the wish. [default: gpt-4o]"),
    "confirm": (None, "Model that confirms. [default: gpt-4o]"),
    "reason": (None, "Model that reasons about refunds. [default: claude-3-5-sonnet]"),
    "score": (None, "Model that scores fraud. [default: mistral-small]"),
    "gateway": (None, "Gateway that all models are asked through."),
    "fallback": (None, "Model that the gateway turns to when one is down."),
    "faults": (None, "What goes wrong at our mocks, as in: timeouts=1%,reset=0.5%"),
    "retries": (None, "How often a failed call is sent again. [default: 2 with faults]"),
    "patience": (None, "Seconds after which a call is given up. [default: 30]"),
}
"""Their defaults, and what they are. Locust's own --host says where staging answers."""

_NAMES = tuple(name.replace("-", "_") for name in OPTIONS)
COMMAND_LINE_ONLY = frozenset({"out", "param"})
"""Who may start a test in the web form may not write where they like."""
_ASKED = (*_NAMES, "host", *sorted(COMMAND_LINE_ONLY))


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What a check answers to options that can be used."""

    mocks: msgspec.Raw
    """The configuration of the mocks to start, or null where none are."""
    base_url: str


def add_options(parser: LocustArgumentParser) -> None:
    for name, (default, what) in OPTIONS.items():
        parser.add_argument(f"--{name}", default=default, help=what)
    parser.add_argument(
        "--set",
        dest="param",
        action="append",
        metavar="NAME=VALUE",
        help="A parameter of the scenario; repeatable.",
        include_in_web_ui=False,
    )
    parser.add_argument(
        "--out",
        default="results",
        help="Folder that the run is stored in. [default: results]",
        include_in_web_ui=False,
    )


def argv_of(argv: Sequence[str], typed: bytes, options: Namespace) -> list[str]:
    """The command line that has this test again: what the web form changed comes behind what was
    typed, which was understood as `typed`."""
    if options.headless:
        return list(argv)
    before: dict[str, str | None] = msgspec.json.decode(typed)
    now: dict[str, str | None] = msgspec.json.decode(asked_of(options))
    changed = {name: now[name] or "" for name in (*_NAMES, "host") if now[name] != before[name]}
    told = [word for name in changed for word in (f"--{name.replace('_', '-')}", changed[name])]
    # A load shape asks for no number of users.
    users = [] if options.num_users is None else ["-u", str(options.num_users)]
    rate = [] if options.spawn_rate is None else ["-r", f"{options.spawn_rate:g}"]
    return [*argv, *told, *users, *rate]


def asked_of(options: Namespace, fields: Mapping[str, str] | None = None) -> bytes:
    """An Asked of harness.cli.asked, as JSON: the options as they are, or as a form has them."""
    asked = {name: getattr(options, name) for name in _ASKED}
    for name in (*_NAMES, "host"):
        if fields and name in fields:
            asked[name] = fields[name]
    asked["host"] = asked["host"] or ""
    return msgspec.json.encode(asked)


class Checks:
    """Asks whether options can be used."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._last: tuple[bytes, Checked] | None = None
        self.asked_before = False

    def check(self, asked: bytes) -> Checked | list[str]:
        """The answer, or all that is wrong, a line each."""
        done = subprocess.run(self._command, input=asked, capture_output=True)
        told = done.stderr.decode(errors="replace").splitlines()
        if done.returncode:
            lines = [line.removeprefix("tollbench: ") for line in told]
            return lines or [f"the check of the options ended with code {done.returncode}"]
        for line in told:  # What a scenario prints while it is loaded.
            print(line, file=sys.stderr)
        found = msgspec.json.decode(done.stdout, type=Checked)
        self._last, self.asked_before = (asked, found), True
        return found

    def check_for_test(self, asked: bytes) -> Checked | list[str]:
        """The same, for a test that starts now. It takes the answer that let it start; the next
        test asks anew, for a file of a profile may have changed since."""
        last, self._last = self._last, None
        return last[1] if last is not None and last[0] == asked else self.check(asked)
