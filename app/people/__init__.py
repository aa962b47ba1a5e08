"""Persons: names, identifiers, and the keys by which records meet (H1.4, H3.5)."""
