"""What a venue demands: one margin model per file."""
