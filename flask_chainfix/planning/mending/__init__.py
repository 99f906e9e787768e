"""Faults of single migrations, put right one by one before the chain is linked.

A mender is a function ``Case -> Iterator[Mend]`` for one fault. They run in the order that
``mend`` lists, each on what the ones before have left, and again until it finds nothing more. What
evidence does not tell is refused, or marked as a guess.
"""
