"""Stage 7: what may be told, permission to tell it, the telling kept word for word, and not telling (H7)."""
