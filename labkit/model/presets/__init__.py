"""Which shapes were published? A file for each line of models; `published.py` has them all."""
