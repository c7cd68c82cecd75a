"""One module for each prefix of a path."""
