"""One file per noun that crosses the border between two rooms."""
