"""Rounds of the default comparison in one process, timed from the second on; it stores nothing.

The first round loads code and makes keys, once in a process; what it takes is in no figure here.
"""

import gc
import sys
import time

import msgspec

from harness.cli.problems import Problems
from harness.cli.rounds import one_virtual_round
from harness.cli.setup import Options, checked
from harness.flow.strategy import all_strategies


class Asked(msgspec.Struct):
    """So many rounds, and turns of each strategy over all of them."""

    rounds: int
    turns: int


class Took(msgspec.Struct):
    turns: int
    wall_s: float
    cpu_s: float
    response_s: float
    failed: int


def main(asked: Asked) -> Took:
    strategies = all_strategies(("prewarm", "token_cache", "parallel_confirm"))
    rounds, turns = asked.rounds + 1, asked.turns * (asked.rounds + 1) // asked.rounds
    setup = checked(Options(), Problems(), strategies, rounds=rounds, turns=turns)
    one_virtual_round(setup, 0)
    gc.freeze()  # as a worker of `compare` does
    took = Took(0, 0.0, 0.0, 0.0, 0)
    for round_ in range(1, rounds):
        wall, cpu = time.perf_counter(), time.process_time()
        tally = one_virtual_round(setup, round_)
        took.wall_s += time.perf_counter() - wall
        took.cpu_s += time.process_time() - cpu
        took.turns += tally.ended
        took.failed += tally.failed
        took.response_s += sum(row.response_ms for row in tally.rows.flows) / 1e3
    return took


if __name__ == "__main__":
    print(msgspec.json.encode(main(msgspec.json.decode(sys.argv[1], type=Asked))).decode())
