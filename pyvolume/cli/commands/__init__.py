"""Commands that work on volumes of any protocol."""
