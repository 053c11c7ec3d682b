"""The question of notebook 50: start at `question.py`."""
