#!/usr/bin/env bash
# Writes requirements/*.lock anew: hashed, for every platform, without index addresses. Needs uv on the PATH.
set -euo pipefail
cd "$(dirname "$0")/.."
compile() {
  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-emit-find-links --no-header "$@"
}
compile requirements/proto.in -o requirements/proto.lock
compile --extra dev pyproject.toml -o requirements/dev.lock
# The same versions as in dev.lock: .venv serves the demo and the tests, and whichever comes second adds to it.
compile --extra build --extra cpu --constraint requirements/dev.lock pyproject.toml -o requirements/cpu.lock
