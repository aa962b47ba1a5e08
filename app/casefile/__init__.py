"""Reads over all stages: the case file, what comes next and who may do it, the worklist, the search."""
