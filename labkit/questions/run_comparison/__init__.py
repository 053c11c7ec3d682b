"""Which of these runs' configs is better, and do we know? Notebook 60."""
