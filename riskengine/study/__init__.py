"""Studies: a question as a record, its run, and its result."""
