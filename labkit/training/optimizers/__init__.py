"""How gradients move weights: start at `groups.py`."""
