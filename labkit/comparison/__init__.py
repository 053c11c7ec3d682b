"""Which one is better, and do we know? Start at `tokenizers.py`."""
