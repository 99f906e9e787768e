"""A chain of revisions: its graph, its lineages, and the files it is read from."""
