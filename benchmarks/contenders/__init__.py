"""Who is measured: pyvolume, two ways to do without a library for volumes, and the libraries beside it."""
