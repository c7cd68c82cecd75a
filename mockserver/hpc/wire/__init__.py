"""How answers look on the wire."""
