"""The case: who is in it, where it stands, and the one door by which it moves."""
