"""What shall be run? Schemas only, without torch. Start at `plan.py`."""
