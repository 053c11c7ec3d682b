"""What only one notebook needs: config, tables, sentences and decision, a folder for each topic.

A config that a command or a panel shares stays in its room, and so does all that is true without
a notebook. Files are called alike everywhere: `config.py`, `tables.py`, `sentences.py`,
`decision.py`; `question.py` opens a config.
"""
