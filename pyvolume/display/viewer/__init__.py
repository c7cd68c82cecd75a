"""A page with three planes of a volume, and the small server behind it."""
