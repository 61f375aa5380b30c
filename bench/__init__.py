"""Measurements of Parley itself: `make bench`, described in bench/README.md."""

import os

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
"""These programs start others and fork nothing that goes on with gRPC; its fork handlers only print."""
