"""What people look at: tables, planes, links, the viewer."""
