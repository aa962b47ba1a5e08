"""Stage 5: concern or no concern, the subject's representations, and the referral to the forum (H5.3 to H5.6)."""
