"""Commands with DVID's own words."""
