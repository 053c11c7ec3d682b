"""What can a model do, and do we know? Start at `item.py`, then `scoring.py` and `score.py`."""
