"""Stage 1: a right to ask or a right to know arrives (H3)."""
