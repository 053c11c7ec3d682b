"""All that the next step of a run depends on, kept and gone on from: start at `folder.py`."""
