"""What is in this corpus? Start at `exploration.py`; the registered corpora are in `corpora.py`."""
