"""What whoever runs the tests has in the environment changes none of them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

THEIRS = {
    "OPENAI_API_KEY": "sk-proj-of-somebody",
    "OPENAI_BASE_URL": "https://gateway.example/v1",
    "STRIPE_API_KEY": "sk_live_of_somebody",
    "AP_APP_ID": "1",
}


def test_no_test_sees_anybodys_credentials(request: pytest.FixtureRequest) -> None:
    assert request.getfixturevalue("_nobody_has_credentials") is None
    assert THEIRS.keys() & os.environ.keys() == set()


@pytest.mark.thorough
def test_the_credentials_of_whoever_runs_the_tests_are_taken_away() -> None:
    tests = ["tests/test_environment.py", "tests/locust/test_asked.py"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
        cwd=Path(__file__).parents[1],
        env=os.environ | THEIRS,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
