"""From what is wrong with a chain to a plan that mends it."""
