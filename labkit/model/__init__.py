"""What is the network? Start at `config.py`; published shapes are in `presets.py`."""
