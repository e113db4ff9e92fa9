"""What an instrument is worth: Black-76, implied volatility, SVI, valuation of books, tables of book values."""
