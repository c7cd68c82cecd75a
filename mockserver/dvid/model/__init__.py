"""What a server holds."""
