"""From the findings about a chain to a plan that fixes them."""
