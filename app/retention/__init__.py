"""Keeping what is closed as long as it must be, reviewing it on a date, and erasing it by two people (H12.2, H12.5)."""
