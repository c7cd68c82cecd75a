"""What goes over the wire: signatures, XML, answers, tokens."""
