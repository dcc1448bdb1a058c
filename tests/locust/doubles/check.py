"""Stands in for the check of the options; it knows only one that cannot be used, and notes in the
folder for runs that it was asked."""

import json
import sys
from pathlib import Path

CHECKS = "checks"

asked = json.load(sys.stdin)
if (folder := Path(asked["out"])).is_dir():
    with (folder / CHECKS).open("a") as log:
        log.write("asked\n")
if asked["strategy"] == "nonsense":
    print("tollbench: --strategy must not be nonsense", file=sys.stderr)
    sys.exit(2)
print(json.dumps({"mocks": None, "base_url": "http://127.0.0.1:9", "scenario": "s"}))
