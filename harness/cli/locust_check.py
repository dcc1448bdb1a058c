"""Whether a run that Locust is to conduct can begin; run as `python -m harness.cli.locust_check`,
no user's verb, and it starts nothing.

It reads the options (an Asked) from standard input as JSON and answers with a Checked as JSON. What
cannot be used is a line each on standard error, with its mend, and exit code 2.
"""

import asyncio
import sys

import httpx
import msgspec

from harness.cli.asked import (
    Asked,
    Checked,
    base_url_of,
    checked_of,
    is_black_box,
    setup_of,
    targets_of,
)
from harness.cli.exits import PASS, USAGE, BadInput
from harness.cli.problems import Problems
from harness.clock import RealClock
from harness.http1 import Sockets
from harness.transport import Measured, measure

PATIENCE_S = 5.0
"""How long a host may take to answer one request."""

MENDS = {
    "gaierror": "no such host is known: check its name",
    "ConnectionRefusedError": "nobody listens there: start it, or check the port",
    "SSLCertVerificationError": "its certificate is not trusted here: take the name that it is "
    "for, or name its authority by SSL_CERT_FILE",
    "SSLError": "it does not speak TLS as it should: check https:// and the port",
}
"""By how a fault of the transport begins."""


class Health(msgspec.Struct):
    """What mocks of ours tell of themselves."""

    status: str
    worlds: list[str]


def main() -> int:
    # A scenario may print; what is read from our output must stay ours.
    out, sys.stdout = sys.stdout, sys.stderr
    try:
        checked = check(msgspec.json.decode(sys.stdin.buffer.read(), type=Asked))
    except BadInput as error:
        for problem in error.problems:
            print(f"tollbench: {problem}", file=sys.stderr)
        return USAGE
    out.buffer.write(msgspec.json.encode(checked))
    return PASS


def check(asked: Asked) -> Checked:
    """BadInput with all that is wrong; hosts are asked only if nothing else is. Who would be asked
    in reality is told."""
    checked = checked_of(asked)
    if targets_of(asked) == "real":
        _tell_who(asked)
    if targets_of(asked) == "staging":
        problems = Problems()
        asyncio.run(_ask_hosts(asked, problems))
        problems.settle()
    return checked


def _tell_who(asked: Asked) -> None:
    from harness.cli.target_lines import tell_who  # It brings rich.

    real = setup_of(asked).real
    assert real is not None
    tell_who(real)


async def _ask_hosts(asked: Asked, problems: Problems) -> None:
    """Both at once: each may take its time."""
    host = base_url_of(asked)
    mocks = (asked.mocks_url or "").rstrip("/") if is_black_box(asked) else ""
    async with Sockets() as transport, asyncio.TaskGroup() as group:
        host_asked = group.create_task(_asked(transport, host))
        mocks_asked = group.create_task(_asked(transport, f"{mocks}/_health")) if mocks else None
    _must_answer("--host", host, host_asked.result(), problems)
    if mocks_asked is not None and _must_answer(
        "--mocks-url", mocks, mocks_asked.result(), problems
    ):
        _must_be_mocks(mocks, mocks_asked.result(), problems)


async def _asked(transport: Sockets, url: str) -> Measured:
    return await measure(transport, RealClock(), httpx.Request("GET", url), PATIENCE_S)


def _must_answer(option: str, url: str, took: Measured, problems: Problems) -> bool:
    """Any status is an answer."""
    if not took.fault:
        return True
    kind = took.fault.partition(":")[0]
    mend = MENDS.get(kind, "check that it runs, and that it is reached from here")
    problems.add(f"{option} {url} does not answer ({took.fault}): {mend}")
    return False


def _must_be_mocks(url: str, took: Measured, problems: Problems) -> None:
    try:
        mocks = took.status == 200 and bool(msgspec.json.decode(took.body, type=Health).status)
    except ValueError:
        mocks = False
    if not mocks:
        problems.add(
            f"--mocks-url {url}: what answers there is not `tollbench mocks serve` (its /_health "
            f"has status {took.status}); name where the mocks behind the app answer"
        )


if __name__ == "__main__":
    sys.exit(main())
