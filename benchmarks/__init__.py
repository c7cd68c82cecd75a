"""pyvolume beside other ways to move voxels; never part of the tests' verdict."""
