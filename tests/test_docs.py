"""docs/ claims nothing that is not run here: commands with their hosts on this machine, and files
for containers as far as that goes without any."""

import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.cli.command import hear_interrupts
from tests.free_port import free_port
from tests.locust.processes import LIMIT_S

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs/locust.md").read_text("utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", TEXT, re.DOTALL)
LOCUST = ["-f", "scenarios/locustfile.py"]


def _blocks(language: str) -> list[str]:
    return [text for of, text in BLOCKS if of == language]


def _commands() -> list[list[str]]:
    """Those for a shell, their lines joined."""
    joined = "\n".join(_blocks("sh")).replace("\\\n", " ")
    return [shlex.split(line, comments=True) for line in joined.splitlines() if line.strip("# ")]


def _container_args() -> list[list[str]]:
    """What masters and workers are started with, in compose and in Kubernetes."""
    found = [re.search(r"ENTRYPOINT (\[.*\])", text) for text in _blocks("dockerfile")]
    entry = [ast.literal_eval(of[1]) for of in found if of]
    assert entry == [["locust", *LOCUST]]
    compose, cluster = _blocks("yaml")
    services = yaml.safe_load(compose)["services"]
    pods = [
        of["spec"]["template"]["spec"]["containers"][0]
        for of in yaml.safe_load_all(cluster)
        if of["kind"] in ("Job", "Deployment")
    ]
    return [
        *(of["command"] for of in services.values() if "entrypoint" not in of),
        *(pod["args"] for pod in pods),
    ]


def _options_of_locust() -> set[str]:
    """Those that its own help names, and ours."""
    done = subprocess.run(
        [Path(sys.executable).with_name("locust"), "--help"], capture_output=True, text=True
    )
    ours = (ROOT / "harness/load/conductor/options.py").read_text("utf-8")
    names = re.findall(r'^    "([a-z-]+)": \(', ours, re.MULTILINE)
    return {*re.findall(r"--?[a-zA-Z-]+", done.stdout), *(f"--{name}" for name in names), "--out"}


def test_every_option_for_containers_is_one_that_locust_takes() -> None:
    known = _options_of_locust()
    used = {word for args in _container_args() for word in args if word.startswith("-")}
    assert {"--master", "--worker", "--slo", "--flow-rate"} < used
    assert used - known - {"-1"} == set()


def test_the_files_that_the_image_is_built_from_exist() -> None:
    (dockerfile,) = _blocks("dockerfile")
    (lock,) = re.findall(r"--requirement (\S+)", dockerfile)
    assert (ROOT / lock).exists() and (ROOT / LOCUST[1]).exists()


@pytest.mark.socket
@pytest.mark.thorough
def test_the_commands_for_several_machines_run_together(tmp_path: Path) -> None:
    (serve,) = [of for of in _commands() if of[:3] == ["tollbench", "mocks", "serve"]]
    (master,) = [of for of in _commands() if "--master" in of]
    (worker,) = [of for of in _commands() if "--worker" in of]
    mocks, locust = str(free_port()), str(free_port())
    here = {
        "8700": mocks,
        "0.0.0.0": "127.0.0.1",
        "http://staging:8700": f"http://127.0.0.1:{mocks}",
    }
    there = {"MASTER": "127.0.0.1", "-1": "2"}
    small = ["-u", "2", "-r", "2", "-t", "3s", "--flow-rate", "10", "--set", "turns=1"]
    small += [
        "--expect-workers",
        "2",
        "--slo",
        "p50<60s",
        "--out",
        str(tmp_path),
        "--master-bind-port",
        locust,
    ]
    with (
        _begun([here.get(word, word) for word in serve]) as served,
        _begun([there.get(word, word) for word in worker] + ["--master-port", locust]),
    ):
        assert served.stdout
        next(line for line in served.stdout if "Ctrl-C" in line)
        done = subprocess.run(
            [_program(master[0]), *(here.get(word, word) for word in master[1:]), *small],
            cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S,
        )  # fmt: skip
    assert done.returncode in (0, 4), done.stderr  # 4 where this machine was busy
    assert re.search(r"turns: (\S+) started = \1 finished", done.stderr), done.stderr
    assert "SLO met" in done.stderr


def _begun(command: list[str]) -> "subprocess.Popen[str]":
    return _Ended(
        [_program(command[0]), *command[1:]],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=hear_interrupts,
    )


class _Ended(subprocess.Popen[str]):
    """A process that does not outlive the test."""

    def __exit__(self, *of: object) -> None:
        self.terminate()
        super().__exit__(None, None, None)


def _program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))
