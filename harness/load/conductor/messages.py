"""The messages that Locust's processes send each other for us; it sends none.

Each is a dict and carries the id of its run under "run", so that a late word of one test is never
taken for one of the next. The only process of a run without workers sends them to itself.
"""

# From the master to a worker

BEGIN = "tollbench_begin"
"""Start an engine: "name" of the worker in this run, and "begin", the engine's first frame."""
TELL = "tollbench_tell"
"""Pass "frame" on to the engine."""
STOP = "tollbench_stop"
"""Let the engine end and account."""

# From a worker to the master

USERS = "tollbench_users"
"""So many "users" are alive here. It is of no run. A worker's first says that it hears us."""
READY = "tollbench_ready"
"""The engine can begin, unless there are "problems": lines, each with its mend."""
HEARD = "tollbench_heard"
""""frame" came from the engine; it is the account where "last" is true."""
GONE = "tollbench_gone"
"""The engine ended without an account; "why"."""

TO_WORKER = (BEGIN, TELL, STOP)
TO_MASTER = (USERS, READY, HEARD, GONE)
