"""What a driver implements, and stores that need no protocol."""
