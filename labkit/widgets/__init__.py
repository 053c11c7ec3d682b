"""How does a person steer it? Forms and panels are views of a frozen config. Start at `form.py`.

A panel's `value` is always a valid config; moving a control makes a new one. Whatever is cheap is
recomputed on the spot, whatever is dear is a call in the next cell.
"""
