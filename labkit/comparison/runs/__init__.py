"""Runs from anywhere as one kind of thing: start at `view.py`."""
