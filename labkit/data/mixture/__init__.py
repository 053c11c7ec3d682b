"""In which shares do the sources enter the training? `weights.py`: shares, epochs, budgets;
`sampling.py`: documents drawn by score; `published.py`: what others trained on."""
