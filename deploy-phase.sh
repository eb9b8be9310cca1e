#!/bin/sh
# Deploys a phase: ./deploy-phase.sh PHASE TARGET [--yes] [--plan] [--allow-delete]
# PHASE: 1, 2 or 3. TARGET: local, dev, staging or prod. The rest is that of 'entity-matching deploy --help'.
set -eu

if [ $# -lt 2 ] || [ "${2#-}" != "$2" ]; then
  echo "Usage: $0 PHASE TARGET [--yes] [--plan] [--allow-delete]" >&2
  exit 2
fi
phase=$1
target=$2
shift 2

cd "$(dirname "$0")"
command=.venv/bin/entity-matching
if [ ! -x "$command" ]; then
  command=$(command -v entity-matching) || {
    echo "entity-matching is not installed. Install it here with: make install" >&2
    exit 1
  }
fi
exec "$command" deploy "$phase" --target "$target" "$@"
