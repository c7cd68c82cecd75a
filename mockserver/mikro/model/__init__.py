"""What the server keeps: objects, grants, rows."""
