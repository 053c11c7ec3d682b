"""Many processes on one run: start at `processes.py` and `apply_layout.py`."""
