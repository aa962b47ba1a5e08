"""The demonstration's data: a fictional force, its partners and its staff, and fictional cases at every stage."""

from app.demo.loading import load

__all__ = ["load"]
