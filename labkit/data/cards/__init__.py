"""What is in a dataset, under which licence, with which problems, and does it still hold?
`card.py` writes and checks the card of a built dataset; `library.py` reads those of `data_cards/`.
"""
