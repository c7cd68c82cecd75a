"""Versions of a repository: the graph, names, changes, what a merge lost."""
