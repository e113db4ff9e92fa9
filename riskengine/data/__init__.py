"""Market data from files, checked."""
