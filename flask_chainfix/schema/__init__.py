"""What migrations do to the schema, read from their sources, and what that proves about order.

``footprint`` describes one migration; ``python`` reads it from the source and ``sql`` from the SQL
in it. ``evidence`` collects the footprints of a chain, and ``order`` derives which revision must
run before which, and what no order can fix. For indexes, constraints and types only double
creations and drops are judged, because databases choose many of their names.
"""
