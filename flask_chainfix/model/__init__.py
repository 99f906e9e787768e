"""The data that everything else speaks of, frozen and without behaviour of its own."""
