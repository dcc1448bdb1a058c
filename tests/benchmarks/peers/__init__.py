"""tollbench side by side with the tools that people would otherwise use: `make bench-peers`."""
