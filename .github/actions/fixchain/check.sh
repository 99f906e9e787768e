#!/usr/bin/env bash
# Checks the chain against what the event is about, after fetching what that takes.
set -euo pipefail

check() {
    "$TOOL" -d "$DIRECTORY" check ${against:+"--against=$against"} "$@"
}

fetch() {
    git fetch --quiet --no-tags --no-recurse-submodules "$@"
}

is_shallow() {
    [ "$(git rev-parse --is-shallow-repository)" = true ]
}

is_known() {
    git rev-parse --quiet --verify --end-of-options "$1^{commit}" >/dev/null
}

# --- What to compare with ---
against=$AGAINST
if [ -z "$against" ]; then
    case $GITHUB_EVENT_NAME in
    pull_request | pull_request_target) against=origin/$GITHUB_BASE_REF ;;
    merge_group) against=$GROUP_BASE ;;
    push) against=$BEFORE ;;
    esac
fi

# A full history stays full.
depth=
! is_shallow || depth=--depth=1
case $against in
origin/*)
    wanted=+refs/heads/${against#origin/}:refs/remotes/$against
    fetch $depth origin "$wanted" || echo "::warning title=fixchain::the branch to compare with cannot be fetched, so it counts as it was fetched last"
    ;;
*)
    wanted=+$against:refs/fixchain/against
    case $against in *[!0]*) ;; *) against= ;; esac # a new branch was nothing before
    if [ -n "$against" ] && ! is_known "$against"; then
        if ! fetch $depth origin "$wanted"; then
            # After a force-push, what was there before may be gone.
            [ "$GITHUB_EVENT_NAME" != push ] || [ -n "$AGAINST" ] || against=
        elif ! is_known "$against"; then
            against=refs/fixchain/against
        fi
    fi
    ;;
esac

# --- As much history as that takes: fixchain says how much ---
while [ -n "$against" ] && is_shallow; do
    code=0
    said=$(check --format json 2>/dev/null) || code=$?
    more=$(sed -n 's/.*git fetch --deepen=\([0-9][0-9]*\).*/\1/p' <<<"$said" | sed -n 1p)
    [ "$code" = 3 ] && [ -n "$more" ] || break
    # Both ends are named: what is checked out need not be on any branch.
    fetch "--deepen=$more" origin "$wanted" "+$(git rev-parse HEAD):refs/fixchain/head" || break
done

# --- Annotations and the summary of the job, then what else was asked for ---
status=0
check --format github || status=$?
reports=$(mktemp -d "$RUNNER_TEMP/fixchain.XXXXXX")
unset GITHUB_STEP_SUMMARY # it is written already

if [ -n "$FORMAT" ]; then
    code=0
    check --format "$FORMAT" --output "$reports/fixchain.$FORMAT" >/dev/null || code=$?
    [ "$code" != 2 ] || exit 2
    echo "report=$reports/fixchain.$FORMAT" >>"$GITHUB_OUTPUT"
fi

if [ "$COMMENT" = true ] && [ -n "$NUMBER" ]; then
    # The comment of this directory is found again by what it begins with.
    mark="<!-- fixchain-action $(cksum <<<"$DIRECTORY" | tr ' ' -) -->"
    check --format markdown --output "$reports/fixchain.md" >/dev/null || true
    { echo "$mark" && cat "$reports/fixchain.md"; } >"$reports/comment.md"
    comments=repos/$GITHUB_REPOSITORY/issues/$NUMBER/comments
    mine=".[] | select(.user.type == \"Bot\" and (.body | startswith(\"$mark\"))) | .id"
    {
        id=$(gh api --paginate "$comments" --jq "$mine" | sed -n 1p) &&
            if [ -n "$id" ]; then
                gh api --silent --method PATCH "repos/$GITHUB_REPOSITORY/issues/comments/$id" \
                    --field "body=@$reports/comment.md"
            elif [ "$status" != 0 ]; then
                gh api --silent --method POST "$comments" --field "body=@$reports/comment.md"
            fi
    } || echo "::warning title=fixchain::the comment cannot be written; the job needs permissions: pull-requests: write, which pull requests from forks never have"
fi
exit "$status"
