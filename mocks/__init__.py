"""The other side of every wire: what providers do, and how long they take about it."""
