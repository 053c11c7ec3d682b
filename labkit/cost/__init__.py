"""What will it take? Parameters, FLOPs, memory, GPU hours, money. Start at `estimate.py`."""
