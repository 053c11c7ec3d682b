"""How good is a document, learned from examples? By a classifier, or by a language model.

Start at `classifier.py` (good texts against raw ones) and `ngram_model.py` (perplexity); what is
dropped for it is decided in `acceptance.py` and `perplexity.py`.
"""
