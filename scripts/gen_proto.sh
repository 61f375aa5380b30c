#!/usr/bin/env bash
# Writes gen/ anew from protos/, with the tools of .venv-proto (requirements/proto.lock): gen_proto.sh [OUT_DIR]
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-gen}
bin=$PWD/.venv-proto/bin
rm -rf "$out/voice"
mkdir -p "$out"
# shellcheck disable=SC2046  # the names hold no blanks; mapfile is missing from the bash of macOS
PATH=$bin:$PATH "$bin/python" -m grpc_tools.protoc -I protos \
  --python_out="$out" --grpc_python_out="$out" --mypy_out="$out" --mypy_grpc_out="$out" \
  $(cd protos && find voice -name '*.proto' | LC_ALL=C sort)
# A file with no service gets an empty grpc stub; every directory is a package.
find "$out/voice" -type d -exec touch {}/__init__.py \;
rm -f "$out"/voice/common/v1/common_pb2_grpc.py*
