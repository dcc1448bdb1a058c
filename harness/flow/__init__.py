"""All that a scenario author sees, and every part of a buyer's agent."""
