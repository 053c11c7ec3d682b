"""How is it trained, and did it hold? Start at `run.py` (one process) or `launch.py` (outside)."""
