"""What every service shares: its life, health, draining, errors, settings, logs, traces, audio and limits."""

import os

# Nothing is reported to anybody: onnxruntime sends usage to its makers from its import on, unless this is set before.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
