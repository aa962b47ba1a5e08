"""The Clare's Law disclosure service."""
