"""What a volume is: values, without input and output."""
