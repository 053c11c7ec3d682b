"""Which of this text should a model be trained on? Notebook 11."""
