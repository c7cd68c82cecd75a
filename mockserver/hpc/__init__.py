"""A mock of the HPC DataStore."""
