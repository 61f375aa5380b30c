#!/usr/bin/env bash
# Refuses a change of protos/ that would break a client: breaking.sh BUF
# Compares the working tree with PROTO_BASE; by default the last release tag (v*) that HEAD stands on, else origin/main,
# else main, else HEAD. A shallow clone may hold none of the first three: then only uncommitted changes are compared.
# `git archive` and not buf's own git input: it reads any clone, shallow ones too.
set -euo pipefail
cd "$(dirname "$0")/.."
buf=$1

base=${PROTO_BASE:-}
if [ -z "$base" ]; then
  base=$(git describe --tags --abbrev=0 --match 'v*' HEAD 2>/dev/null || true)
fi
for ref in origin/main main HEAD; do
  [ -n "$base" ] && break
  if git rev-parse --quiet --verify "$ref^{commit}" >/dev/null; then base=$ref; fi
done
if [ -z "$base" ] || ! git cat-file -e "$base:protos" 2>/dev/null; then
  if [ -n "${PROTO_BASE:-}" ]; then
    echo "PROTO_BASE=$base: no such commit here, or it has no protos/"
    exit 1
  fi
  echo "nothing to compare with: no earlier contracts in this clone"
  exit 0
fi
old=$(mktemp -d)
trap 'rm -rf "$old"' EXIT
git archive "$base" protos | tar -x -C "$old"
"$buf" breaking protos --against "$old/protos"
echo "no breaking change since $base"
