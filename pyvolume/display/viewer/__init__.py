"""A page with three planes of a volume, and its small server."""
