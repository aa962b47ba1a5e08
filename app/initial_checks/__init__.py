"""Stage 2: the initial checks, the subject's identity, and whether the case goes on (H4)."""
