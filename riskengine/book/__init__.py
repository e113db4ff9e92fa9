"""Books: margin accounts and loans."""
