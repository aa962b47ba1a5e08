"""Stage 4: the full risk assessment of each potential victim (H5.2)."""
