"""Measure, and print what was measured."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from . import __doc__ as about
from .measures import (
    Section,
    busy_chain,
    growing_chains,
    hostile_projects,
    page,
    parted_chain,
    plain_chain,
    sample,
    shared_chain,
    starts,
    tenant_schemas,
    traced_schema,
)
from .report import Results, show


def main() -> None:
    """Run every measurement that the options ask for."""
    parser = argparse.ArgumentParser(
        "python -m tests.benchmarks",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 25_000])
    parser.add_argument("--schemas", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--pages", type=int, nargs="*", default=[1_000, 5_000])
    parser.add_argument("--labels", type=int, default=1_000, help="chained branch labels")
    parser.add_argument("--dependencies", type=int, default=3_000, help="depends_on")
    parser.add_argument("--empty", type=int, default=20_000, help="files of a hostile project")
    parser.add_argument("--traced", type=int, nargs="+", default=[1_000], help="tables to trace")
    parser.add_argument("--tenants", type=int, default=1_000, help="schemas of one PostgreSQL")
    parser.add_argument(
        "--postgresql",
        metavar="URL",
        help="an administrator's, of the server for them; without it, they are not measured",
    )
    parser.add_argument("--repetitions", type=int, help="default: many where they are short")
    options = parser.parse_args()
    times = options.repetitions
    with tempfile.TemporaryDirectory() as directory:
        scratch = Path(directory)
        _say("sample app")
        sample_section = _done(sample(scratch, times))
        _say("starting")
        starting = _done(starts(scratch, times))
        plain = []
        for size in sorted(options.sizes):
            _say(f"{size:,} revisions")
            plain.append(_done(plain_chain(scratch, size, times)))
        shared = []
        for size in sorted(options.sizes):
            _say(f"{size:,} revisions that others have")
            shared.append(_done(shared_chain(scratch, size, times)))
        size = min(options.sizes, key=lambda size: abs(size - 1_000))
        _say(f"{size:,} revisions with branches")
        parted = _done(parted_chain(scratch, size, times))
        busy = []
        for size in sorted(options.schemas):
            _say(f"{size:,} revisions of 40 operations each")
            busy.append(_done(busy_chain(scratch, size, times)))
        pages = []
        for size in options.pages:
            _say(f"the page of {size:,} revisions")
            pages.append(page(scratch, size, times))
            _done(pages[-1].section)
        _say("branch labels")
        labelled = growing_chains(
            scratch, "labelled", "{:,} chained branch labels", options.labels, times
        )
        _say("depends_on")
        dependent = growing_chains(
            scratch, "dependent", "{:,} depends_on", options.dependencies, times
        )
        _say("hostile projects")
        hostile = _done(hostile_projects(scratch, options.empty))
        _say("trace")
        traced = [_done(traced_schema(scratch, size)) for size in sorted(options.traced)]
        tenants = []
        if options.postgresql:
            _say(f"{options.tenants:,} schemas")
            tenants.append(_done(tenant_schemas(options.postgresql, options.tenants)))
    show(
        Results(
            plain,
            shared,
            parted,
            busy,
            labelled,
            dependent,
            sample_section,
            starting,
            hostile,
            traced,
            tenants,
            pages,
        )
    )


def _done(section: Section) -> Section:
    """Say at once what was measured: the rest takes minutes, and may be stopped."""
    for row in section.rows:
        print(f"  {row.seconds:9.3f} s  {row.name}", file=sys.stderr, flush=True)
    return section


def _say(text: str) -> None:
    print(f"measuring: {text} …", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
