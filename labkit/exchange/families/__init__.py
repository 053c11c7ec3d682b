"""How do the classes of `transformers` name what our config and modules are? A file for each line
of models; `family.py` says what a family is, `../huggingface_families.py` lists all."""
