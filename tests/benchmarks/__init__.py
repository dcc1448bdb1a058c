"""Benchmarks: what a turn and an analysis cost, and the same load under other people's tools."""
