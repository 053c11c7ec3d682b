"""How should text become ids? Start at `tokenizer.py`; files of ids are `shards.py`."""
