"""Calls to real providers, and all that keeps them from costing more than they may."""
