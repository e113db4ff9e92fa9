"""Where seized collateral is sold, and what the sale costs."""
