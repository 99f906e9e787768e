"""Collect the events of a rehearsing process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from time import monotonic
from typing import Any

from flask_chainfix.common.errors import CannotRehearse
from flask_chainfix.common.wording import Progress
from flask_chainfix.model.databases import Trouble
from flask_chainfix.model.rehearsal import (
    DowngradeGap,
    EmptyTable,
    FailureKind,
    LostRows,
    RehearsalFailure,
    RehearsalStep,
)


def follow(
    events: Iterator[dict[str, Any]], progress: Progress
) -> tuple[list[RehearsalStep], RehearsalFailure | None, dict[str, Any]]:
    """The finished steps, the failure that ended them early, and the other events."""
    steps: list[RehearsalStep] = []
    step: RehearsalStep | None = None
    failure: RehearsalFailure | None = None
    observed: dict[str, Any] = {}
    total, started = 0, 0.0
    for event in events:
        match event.pop("event"):
            case "plan":
                total = max(total, len(steps) + event["count"] * (1 + event["left"]))
            case "start":
                step, started = RehearsalStep(**event, seconds=0.0), monotonic()
                progress(len(steps), total, f"{step.direction} {step.revision}")
            case "done" if step is not None:
                steps.append(step._replace(**event))
                step = None
                progress(len(steps), total, "")
            case "failure":
                failure = _failure(**event)
            case "died":
                failure = _death(step, event["message"])
            case "refused":
                raise CannotRehearse(**event)
            case "observed" | "found" as name:
                _note(observed, name, event)
    if failure is not None and step is not None:
        seconds = round(monotonic() - started, 4)
        steps.append(step._replace(seconds=seconds, error=failure.message))
    return steps, failure, observed


def _note(observed: dict[str, Any], name: str, event: dict[str, Any]) -> None:
    """Add an event: the only one of its kind, or one of several."""
    if name == "observed":
        observed |= _with_tuples(event)
    else:
        what = event.pop("what")
        observed[what] = (*observed.get(what, ()), _FOUND[what](**event))


def _with_tuples(event: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in event.items()
    }


def _gap(*, path: str, **other: Any) -> DowngradeGap:
    return DowngradeGap(path=Path(path), **_with_tuples(other))


# Events that can occur several times, by their attribute of ``Rehearsal``.
_FOUND: Mapping[str, Callable[..., Any]] = {
    "gaps": _gap,
    "lost": LostRows,
    "empty": EmptyTable,
    "stamps": lambda bind, rows: (bind, rows),
}


def _death(step: RehearsalStep | None, message: str) -> RehearsalFailure:
    if step is None:
        return RehearsalFailure(FailureKind.ENVIRONMENT, message)
    at = (step.revision, step.direction, step.round)
    return RehearsalFailure(FailureKind.MIGRATION, message, *at, bind=step.bind)


def _failure(
    kind: str, path: str | None = None, trouble: str | None = None, **other: Any
) -> RehearsalFailure:
    return RehearsalFailure(
        FailureKind(kind),
        path=None if path is None else Path(path),
        trouble=None if trouble is None else Trouble(trouble),
        **other,
    )
