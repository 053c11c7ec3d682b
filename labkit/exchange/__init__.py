"""How does a trained model leave, and come back? Start at `folder.py`."""
