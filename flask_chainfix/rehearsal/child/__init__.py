"""What runs in the fresh process, which reaches no databases but the scratch ones."""
