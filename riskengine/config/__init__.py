"""Files to frozen records and back: strict YAML, every fault with its place, lossless resolved form."""
