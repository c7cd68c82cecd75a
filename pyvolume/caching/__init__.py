"""Blocks that are kept, so that they are not requested again."""
