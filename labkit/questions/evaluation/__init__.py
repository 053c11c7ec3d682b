"""What can these models do, and is it shown? Notebook 70."""
