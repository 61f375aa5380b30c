#!/usr/bin/env bash
# Finds a Python that is new enough and brings an environment up to date: setup.sh cpu|dev|proto
# PYTHON names the interpreter; without it the first of python3, python3.11 ... python3.14 that fits is taken.
set -euo pipefail
cd "$(dirname "$0")/.."
kind=$1

fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

if [ -n "${PYTHON:-}" ]; then
  fits "$PYTHON" || { echo "PYTHON=$PYTHON is not a Python 3.11 or later: name another, or leave PYTHON unset" >&2; exit 1; }
  exec "$PYTHON" scripts/setup_env.py "$kind" --rebuild-for-this-python
fi
for python in python3 python3.11 python3.12 python3.13 python3.14; do
  if fits "$python"; then exec "$python" scripts/setup_env.py "$kind"; fi
done
found=$(python3 --version 2>/dev/null || echo none)
cat >&2 <<END
Parley needs Python 3.11 or later (python3 here: $found). Install one and make sure it is on the PATH, for example
  Debian 12+, Ubuntu 24.04+:  apt-get install python3 python3-venv
  Fedora:                     dnf install python3.12
  macOS:                      brew install python@3.12
or name it: make PYTHON=/path/to/python3.12 ...
END
exit 1
