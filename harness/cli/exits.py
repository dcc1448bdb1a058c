"""How the command can end: its exit codes, and the error that is the user's to mend."""

from collections.abc import Sequence

PASS, REGRESSION, USAGE, INCONCLUSIVE, INVALID = 0, 1, 2, 3, 4


class DiskFull(Exception):
    """A run could not be stored; the message is one line with the mend, and where its turns are."""


class BadInput(Exception):
    """The input cannot be used; one line a problem, each with its mend."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = list(problems)
