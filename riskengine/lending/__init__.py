"""What a protocol lends and seizes: one protocol per file or folder."""
