"""A chain of revisions: its graph, its lineages, and its files."""
