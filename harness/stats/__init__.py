"""What the measured rows say and how surely; nothing here reads a clock, a socket or a file."""
