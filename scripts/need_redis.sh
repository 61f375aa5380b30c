#!/usr/bin/env bash
# Makes sure that a redis-server is on the PATH: the session store is tested against a real one.
set -euo pipefail
command -v redis-server >/dev/null && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "redis-server is not on the PATH: installing it with apt-get"
  log=$(mktemp)
  trap 'rm -f "$log"' EXIT
  # RUNLEVEL=1 keeps the package from starting its own server: a test starts one for itself.
  export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
  install() { apt-get install -y -qq --no-install-recommends redis-server; }
  { install || { apt-get update -qq && install; }; } >"$log" 2>&1 </dev/null || { tail -n 20 "$log" >&2; }
  command -v redis-server >/dev/null && exit 0
fi
cat >&2 <<'END'
The tests need a redis-server on the PATH (they start one of their own; nothing of yours is touched):
  Debian, Ubuntu:  sudo apt-get install redis-server
  Fedora:          sudo dnf install redis
  macOS:           brew install redis
END
exit 1
