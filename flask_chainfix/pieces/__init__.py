"""The pieces of a gate: what they say, and how they are put into files that people have written."""

from flask_chainfix.pieces.kinds import CHECKLIST, GIT_HOOK, JOB, PRE_COMMIT, WORKFLOW, Kind

__all__ = ["CHECKLIST", "GIT_HOOK", "JOB", "PRE_COMMIT", "WORKFLOW", "Kind"]
