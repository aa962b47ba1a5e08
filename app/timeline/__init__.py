"""What happened to a case, each thing with a sentence that a person can read."""
