"""The main job on a throw-away copy of the sample app: ``python -m sample_app.demo``.

Runs the same commands that you would type, one after the other, and stops with an error when one
of them ends otherwise than it should.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

STEPS = (
    ("flask db fixchain check", 1),
    ("flask db upgrade", 1),
    ("flask db fixchain repair --yes --no-database", 0),
    ("flask db fixchain rehearse --quiet", 0),
    ("flask db upgrade", 0),
)


def main() -> int:
    """Run every step; 0 if each ended as it should."""
    sample = Path(__file__).parent
    ignored = shutil.ignore_patterns("instance", "__pycache__", ".fixchain")
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copytree(sample, Path(scratch, sample.name), ignore=ignored)
        # The commands of this interpreter's environment come first, activated or not.
        environment = {
            **os.environ,
            "FLASK_APP": sample.name,
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
        }
        environment.pop("SAMPLE_DATABASE_URL", None)
        for number, (command, expected) in enumerate(STEPS):
            if number:
                print()
            print(f"$ {command}", flush=True)
            program, *arguments = shlex.split(command)
            found = shutil.which(program, path=environment["PATH"]) or program
            done = subprocess.run([found, *arguments], cwd=scratch, env=environment, check=False)
            if done.returncode != expected:
                print(f"expected exit status {expected}, got {done.returncode}", file=sys.stderr)
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
