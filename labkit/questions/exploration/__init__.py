"""What is in this text? Notebook 10."""
