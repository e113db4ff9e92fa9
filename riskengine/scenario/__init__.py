"""What the market does: one model per file, each the only place where its randomness is drawn."""
