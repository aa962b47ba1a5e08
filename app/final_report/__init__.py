"""Stage 8: an application ends, is reported to intelligence whatever its outcome, and closes (H8, H4.5, H7.6)."""
