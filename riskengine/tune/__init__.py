"""What to choose and what to fear: searches over moves and settings."""
