"""Stage 6: the local decision-making forum, its meetings and decisions, and the emergency authority (H6)."""
