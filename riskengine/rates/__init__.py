"""What a borrower pays and a supplier earns."""
