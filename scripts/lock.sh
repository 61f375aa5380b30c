#!/usr/bin/env bash
# Writes requirements/*.lock and requirements/images/*.lock anew: hashed, without index addresses. Needs uv on the PATH.
set -euo pipefail
cd "$(dirname "$0")/.."
dev=requirements/dev.lock
compile() {
  uv pip compile --quiet --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-emit-find-links --no-header "$@"
}

compile --universal requirements/proto.in -o requirements/proto.lock
compile --universal --extra dev pyproject.toml -o "$dev"
# The same versions as in dev.lock: .venv serves the demo and the tests, and whichever comes second adds to it.
compile --universal --extra build --extra cpu --constraint "$dev" pyproject.toml -o requirements/cpu.lock

# One lock an image, so that none carries what another stage needs: image NAME OPTION... EXTRA...
image() {
  local name=$1 arguments=()
  shift
  for word in "$@"; do
    case $word in
      -*) arguments+=("$word") ;;
      *) arguments+=(--extra "$word") ;;
    esac
  done
  compile "${arguments[@]}" pyproject.toml -o "requirements/images/$name.lock"
}
# Only the `parley` command draws on a terminal.
no_terminal=(--no-emit-package=rich --no-emit-package=pygments --no-emit-package=markdown-it-py --no-emit-package=mdurl)
# On CPU the versions are those of the tests, on every platform.
cpu=(--universal "--constraint=$dev" "${no_terminal[@]}")
image orchestrator "${cpu[@]}" orchestrator mcp
image asr-cpu "${cpu[@]}" asr-pocketsphinx asr-faster-whisper
image turn-cpu "${cpu[@]}" turn-silero-smart-turn
image llm-cpu "${cpu[@]}" llm-rules llm-openai llm-ctranslate2
image tts-cpu "${cpu[@]}" tts-espeak tts-piper
compile --universal --constraint "$dev" requirements/images/models.in -o requirements/images/models.lock
# CUDA: Linux on x86-64. onnxruntime-gpu is the same module as onnxruntime, which piper-tts asks for: never both.
linux=(--python-platform=x86_64-manylinux_2_28 --constraint=requirements/images/cuda13.txt)
gpu=("${linux[@]}" "--constraint=$dev" "${no_terminal[@]}")
image asr-gpu "${gpu[@]}" asr-faster-whisper-gpu
image turn-gpu "${gpu[@]}" turn-silero-smart-turn-gpu
image tts-gpu "${gpu[@]}" --override=requirements/images/no-onnxruntime.txt tts-espeak tts-piper-gpu
# vllm pins its own versions of what dev.lock has, and most of the rest not at all: what there was when 0.26 was new.
image llm-gpu "${linux[@]}" --exclude-newer=2026-08-15T00:00:00Z llm-vllm llm-rules llm-openai
