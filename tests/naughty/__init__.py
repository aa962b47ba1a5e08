"""Texts that break what is careless with text, in every text field of every form."""
