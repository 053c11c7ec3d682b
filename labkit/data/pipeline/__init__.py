"""Steps in order over a corpus of any size: what is kept, what is dropped, by which rule.

Start at `step.py`, the contract of every step.
"""
