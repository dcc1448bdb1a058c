"""Benchmarks: flows on the virtual clock, what the instrument costs, and the same load under other
people's tools."""
