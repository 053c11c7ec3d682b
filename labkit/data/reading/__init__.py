"""Files to batches of documents: one file per format, one policy for what can't be read.

Start at `portions.py` (the loop that every format shares) and `record.py` (what a format gives).
"""
