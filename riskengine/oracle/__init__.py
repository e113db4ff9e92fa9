"""What price a protocol sees."""
