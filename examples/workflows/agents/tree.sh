#!/bin/sh
# What patch.yaml does with the worktree of a coding agent: tree.sh patch|commit|remove DIR [MESSAGE]
set -eu
action=$1 dir=$2
case $action in
patch)
    git -C "$dir" add --all
    git -C "$dir" diff --cached
    ;;
commit)
    git -C "$dir" -c user.name=Stepwright -c user.email=stepwright@localhost \
        commit --quiet --message="$3"
    ;;
remove)
    git worktree remove --force -- "$dir"
    ;;
*)
    echo "tree.sh has no action $action" >&2
    exit 2
    ;;
esac
