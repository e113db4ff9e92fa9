"""Terms of instruments (no pricing)."""
