"""The database, and nothing about the scheme."""
