"""Which parts of the block does this text want? Notebook 30."""
