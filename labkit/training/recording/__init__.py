"""What a run writes down, and who reads it: start at `recorder.py`."""
