"""Tests of the wires: both roles, and foreign bytes."""
