"""How fast flask-chainfix is, beside Alembic and beside only reading the files.

Run it from the root of the project::

    python -m tests.benchmarks                 # everything; some minutes
    python -m tests.benchmarks --sizes 1000    # one size, some seconds
    python -m tests.benchmarks --postgresql URL    # with a thousand schemas of one database

Migrations are generated into a temporary directory, which is removed at the end. Whatever is
measured runs in a fresh process, with what Python caches (bytecode, files) warm unless a line
says *cold*; the repetitions of all measurements take turns, so that a busy moment of the machine
meets all of them, and the fastest counts.
"""
