"""A process that loads the models once and forks workers on request, so that they share the models' memory.

`python -m services.asr.engines.sphinx.nursery FD`: over the socket FD come one byte and a socket for each worker
wanted; back go "R" once the models are loaded, and each worker's process id. It ends when FD closes, and its workers
when their sockets do.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import struct
import sys

from services.asr.engines.sphinx.decoders import Models
from services.asr.engines.sphinx.worker import Worker

PID = struct.Struct("<I")
READY = b"R"


def main(control: socket.socket) -> None:
    """Load the models, then fork a worker for every socket that comes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the service's to handle; it closes the socket
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for workers: the kernel buries them
    models = Models()
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
    main(socket.socket(fileno=int(sys.argv[1])))
