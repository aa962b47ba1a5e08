"""The log that the Data Protection Act 2018, section 62, requires (H12.1)."""
