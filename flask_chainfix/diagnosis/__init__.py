"""What can be wrong with a chain: one function for each fault."""
