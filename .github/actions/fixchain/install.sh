#!/usr/bin/env bash
# Installs fixchain as this commit of the action has it, with the versions in constraints.txt, into
# an environment of its own: later steps keep their Python.
set -euo pipefail

python=$(command -v python3 || command -v python)
place=$(mktemp -d "$RUNNER_TEMP/fixchain.XXXXXX")
# With -I, nothing is imported that lies in the repository that is checked.
"$python" -I -m venv "$place"
programs=$place/bin
[ -d "$programs" ] || programs=$place/Scripts
export PIP_CONSTRAINT=$GITHUB_ACTION_PATH/constraints.txt
export PIP_BUILD_CONSTRAINT=$PIP_CONSTRAINT
"$programs/python" -I -m pip install --quiet --disable-pip-version-check \
    "$GITHUB_ACTION_PATH/../../.."
echo "tool=$programs/fixchain" >>"$GITHUB_OUTPUT"
