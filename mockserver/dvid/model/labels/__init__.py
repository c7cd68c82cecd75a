"""Label volumes: voxels of bodies, at several scales, with an index and a mapping."""
