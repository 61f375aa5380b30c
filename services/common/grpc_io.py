"""How gRPC does its I/O in a service: import this before gRPC, which reads its environment once, when it is imported.

Since 1.7x gRPC does its I/O in a pool of threads (its "event engine"), from which grpc.aio then takes each event in a
thread of its own: two hops a message. Without it that thread does the I/O itself: half the context switches, about a
tenth less CPU (docs/measurements.md). A gRPC that no longer knows a name says so in its log and goes on. A program that
only uses the SDK keeps gRPC as it is.

Its handlers around fork() are switched off. Services fork only to start other programs, where the handlers do nothing
but put a line of their own into a log of JSON.
"""

import os

os.environ.setdefault(
    "GRPC_EXPERIMENTS", "-event_engine_client,-event_engine_listener,-event_engine_for_all_other_endpoints"
)
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
