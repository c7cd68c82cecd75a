"""DVID: versioned volumes of connectomics, over REST."""
