"""The ways by which staff, and the systems that a force names, are told: who is told, what is waiting, what was sent.

A message carries a case's reference, a clock and a time, nothing else, and goes to staff only (H2.2, H11).
"""
