"""Run a chain on scratch databases, up, down and up again, in a separate process."""
