"""A mock of DVID."""
