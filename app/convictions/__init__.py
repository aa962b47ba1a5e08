"""Convictions and out-of-court disposals, and when each becomes spent (H7.3)."""
