"""Which documents are kept, and by which rule not? Start at `rule.py`; sets in `presets.py`."""
