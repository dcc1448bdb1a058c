"""One file a load generator: how it is asked for a load, and how its own report is read."""
