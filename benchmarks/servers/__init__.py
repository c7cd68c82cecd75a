"""The far ends: each in a process of its own, so that none shares an interpreter with what is measured."""
