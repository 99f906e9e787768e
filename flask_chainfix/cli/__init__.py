"""Options -> command -> output; nothing else."""
