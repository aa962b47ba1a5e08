"""Standing queries over the log for misuse, and the cases that professional standards have marked (H1.3, H12.1).

The likeliest attacker has a valid login. What the log shows of one is put before professional standards of that
account's force within minutes; it accuses nobody, and a person decides what it was.
"""
