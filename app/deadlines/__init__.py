"""Clocks: how days are counted, when a duty is due, whom to alert, and what was met (H9 to H11)."""
