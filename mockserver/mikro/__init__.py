"""A mock of Mikro, generation 2: the catalogue, and the object store with the voxels."""
