"""`python -m harness.cli` is `tollbench`."""

from harness.cli import main

main()
