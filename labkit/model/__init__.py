"""What is the network? Start at `config.py` (data, no torch), then `transformer.py`."""
