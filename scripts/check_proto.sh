#!/usr/bin/env bash
# Generates the stubs into a temporary directory and compares them with gen/.
set -euo pipefail
cd "$(dirname "$0")/.."
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
scripts/gen_proto.sh "$fresh"
if ! diff -r -u --exclude=__pycache__ gen "$fresh"; then
  echo "gen/ differs from what protos/ generate (< gen/, > generated): run 'make proto' and commit gen/"
  exit 1
fi
echo "$(find "$fresh" -name '*_pb2*' | wc -l | tr -d ' ') files match"
