"""The seam between volumes and what serves them, and stores that need no protocol."""
