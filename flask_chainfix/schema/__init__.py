"""What migrations do to tables: read from their sources, and what that proves of their order.

``footprint`` holds what one migration does, which ``python`` reads from its source and ``sql`` from
the SQL in it. ``evidence`` collects that of a chain; ``order`` says what must run before what, and
``conflicts`` what no order can mend. Of indexes, constraints and types only that is judged which is
made or dropped twice: many have names that databases choose.
"""
