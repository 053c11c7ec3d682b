"""Steps in order over a corpus of any size: what is kept, what is dropped, by which rule.

Start at `step.py`, the contract of every step, and `run.py`, which takes a corpus through some.
`curated.py` opens what came of it, `executors.py` runs the same steps on a cluster.
"""
