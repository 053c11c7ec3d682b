"""How should this text become tokens? Notebook 20."""
