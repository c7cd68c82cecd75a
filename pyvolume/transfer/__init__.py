"""How a box of any size becomes requests that a store can serve."""
