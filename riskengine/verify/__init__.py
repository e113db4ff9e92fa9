"""Reference cases against this engine, one line each."""
