"""The vLLM engine: AsyncLLM in this process, the model in one that it starts.

Importing this package sets what vLLM and the hub's library read when they are imported, unless it is set already.
"""

from __future__ import annotations

import os

ENVIRONMENT = {
    # Nothing is fetched silently: a file that is missing is an error, not a download.
    "HF_HUB_OFFLINE": "1",
    # The model's process is started while gRPC's threads run here: a fork of them would hang.
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
    # Nothing is reported to anybody.
    "VLLM_NO_USAGE_STATS": "1",
}
for _name, _value in ENVIRONMENT.items():
    os.environ.setdefault(_name, _value)
