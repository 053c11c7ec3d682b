"""Tables -> plotly figures, and nothing else. Start at `palette.py`."""
