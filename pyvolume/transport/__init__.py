"""How to talk HTTP: connections, requests, answers, retry. Knows no voxels."""
