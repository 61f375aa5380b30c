"""What every service shares: its life, health, draining, errors, settings, logs, traces, audio and limits."""

import os

# Nothing is reported to anybody: onnxruntime sends usage to its makers from its import on, unless this is set before.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# gRPC reads this when it is imported. Since 1.7x it does its I/O in a pool of threads (its "event engine"), from which
# grpc.aio then takes each event in a thread of its own: two hops a message. Without it that thread does the I/O itself:
# half the context switches, about a tenth less CPU (docs/measurements.md). A gRPC that no longer knows a name says so
# in its log and goes on.
os.environ.setdefault(
    "GRPC_EXPERIMENTS", "-event_engine_client,-event_engine_listener,-event_engine_for_all_other_endpoints"
)
