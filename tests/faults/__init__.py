"""What may happen to workers, to the database and to the clock, with real processes over a real PostgreSQL."""
