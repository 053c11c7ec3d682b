"""What does this text train to, by two recipes? Notebook 50."""
