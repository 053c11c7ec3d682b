"""What one process of a plan takes, without its cluster and its data: start at `measure.py`."""
