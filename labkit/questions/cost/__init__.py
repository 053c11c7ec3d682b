"""What will a training run take? Notebook 40."""
