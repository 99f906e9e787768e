"""Run a chain on scratch databases, up, down and up again, in a process of its own."""

from __future__ import annotations

from dataclasses import replace

from flask_chainfix import signals
from flask_chainfix.model import Rehearsal
from flask_chainfix.runtime.environment import Runtime
from flask_chainfix.runtime.rehearsing.process import (
    Outcome,
    Progress,
    follow,
)
from flask_chainfix.runtime.rehearsing.remedies import remedy_for
from flask_chainfix.runtime.rehearsing.request import (
    OWN_SERVER,
    Chains,
    RehearsalRequest,
    binds_of,
    inside_app,
    message,
    scratch_url,
)
from flask_chainfix.runtime.scratch import scratch_databases

__all__ = ["OWN_SERVER", "Chains", "Progress", "RehearsalRequest", "rehearse"]


def rehearse(
    runtime: Runtime, request: RehearsalRequest, chains: Chains, progress: Progress
) -> Rehearsal:
    """Prove a chain on databases that are made for it and dropped at the end.

    Args:
        runtime: the environment that it belongs to.
        request: how the user wants it.
        chains: what is to be rehearsed.
        progress: called with the steps done, the steps in all, and what is running.

    Raises:
        CannotRehearse: it cannot begin.
        NoScratchDatabase: there is nothing to run it on.
        ScratchLeftBehind: a database could not be dropped.
    """
    outcome = Outcome(progress)
    with inside_app(runtime) as opened:
        url, binds = scratch_url(opened, request), binds_of(opened)
        with signals.listening(), scratch_databases(url, binds, keep=request.keep) as scratch:
            follow(message(opened, request, chains, scratch), outcome)
        app_dialect, failure = opened.environment.dialect or "", outcome.failure
    if failure is not None:
        failure = replace(failure, remedy=remedy_for(failure, app_dialect, request.on_server))
    return Rehearsal(
        database=scratch.shown,
        dialect=scratch.dialect,
        app_dialect=app_dialect,
        steps=tuple(outcome.steps),
        failure=failure,
        differences=outcome.differences,
        not_compared=outcome.not_compared,
        stranded=outcome.stranded,
        start=request.start,
        kept=scratch.masked_urls if request.keep else (),
    )
