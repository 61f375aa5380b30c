"""A process that loads the models once and forks workers on request, so that they share the models' memory.

`python -m services.asr.engines.sphinx.nursery FD [GRAMMAR_GLOB...]`: over the socket FD come one byte and a socket for
each worker wanted; back go "R" once the models are loaded, and each worker's process id. It ends when FD closes, and
its workers when their sockets do.
"""

from __future__ import annotations

import contextlib
import gc
import glob
import logging
import os
import signal
import socket
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

from services.asr.engines.sphinx.decoders import Models
from services.asr.engines.sphinx.worker import Worker
from services.common.errors import InvalidInput

log = logging.getLogger(__name__)

PID = struct.Struct("<I")
READY = b"R"


def warm(models: Models, patterns: Sequence[str]) -> None:
    """Compile the grammar files, so that the first stream that uses one opens at once. A faulty one is logged."""
    for path in sorted(path for pattern in patterns for path in glob.glob(pattern)):
        try:
            models.grammar(Path(path).read_text(encoding="utf-8"))
        except (InvalidInput, OSError, UnicodeDecodeError) as fault:
            log.warning("%s is not warmed: %s", path, fault)


def main(control: socket.socket, warm_grammars: Sequence[str] = ()) -> None:
    """Load the models, then fork a worker for every socket that comes."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a whole group may be told to end: the service drains, then closes
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for workers: the kernel buries them
    models = Models()
    warm(models, warm_grammars)
    gc.freeze()  # what is loaded is not garbage: a collector that touches it would unshare its pages
    control.sendall(READY)
    while True:
        asked, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not asked:
            return
        link = socket.socket(fileno=descriptors[0])
        pid = os.fork()
        if pid == 0:
            control.close()
            with contextlib.suppress(ConnectionError):
                Worker(models, link).run()
            os._exit(0)
        link.close()
        control.sendall(PID.pack(pid))


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:])
