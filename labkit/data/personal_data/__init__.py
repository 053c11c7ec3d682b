"""Personal data in documents: found, typed, replaced by placeholders.

Start at `redact.py`, the step; what counts as an item is in `patterns.py`.
"""
