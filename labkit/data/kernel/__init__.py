"""Counts over the bytes of Arrow text, compiled. Start at `text_columns.py`."""
