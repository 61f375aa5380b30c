"""`parley talk`: call an agent with microphone and speaker."""

from __future__ import annotations

import argparse
import asyncio
from types import ModuleType
from typing import Any

from parley.client import Conversation
from parley.errors import CallError
from parley.listener import Listener
from parley.terminal import DEFAULT_SERVER, console, run_async
from parley.view import LiveView

BLOCK_MS = 20
MAX_QUEUED_BLOCKS = 100
"""Two seconds of microphone: where the network stands still for longer, the oldest is dropped."""
_EPILOG = """\
Wear headphones: there is no echo cancellation, and an agent that hears itself interrupts itself. Ctrl-C hangs up.

examples:
  parley talk --agent appointments
  parley talk --list-devices
  parley talk --input 3 --output 5
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.epilog = _EPILOG
    parser.add_argument("--agent", default="appointments", metavar="A", help="whom to call (default: %(default)s)")
    parser.add_argument(
        "--server", default=DEFAULT_SERVER, metavar="H:P", help="the orchestrator (default: %(default)s)"
    )
    parser.add_argument("--language", default="", metavar="TAG", help="begin in this language of the agent's")
    parser.add_argument("--rate", type=int, default=16000, metavar="HZ", help="sample rate (default: %(default)s)")
    parser.add_argument("--input", type=int, metavar="N", help="number of the microphone")
    parser.add_argument("--output", type=int, metavar="N", help="number of the speaker")
    parser.add_argument("--list-devices", action="store_true", help="list microphones and speakers")


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    sounddevice = load_sounddevice()
    if options.list_devices:
        print(sounddevice.query_devices())  # noqa: T201 - a command speaks to its terminal
        return 0
    check_devices(sounddevice, options)
    return run_async(talk(sounddevice, options))


def load_sounddevice() -> ModuleType:
    """Return the sounddevice module. Raises CallError that says what to install."""
    try:
        import sounddevice
    except ModuleNotFoundError:
        raise CallError(
            "microphone and speaker need the package sounddevice: pip install -e '.[talk]' in the checkout"
        ) from None
    except OSError as error:
        raise CallError(
            f"sounddevice finds no PortAudio ({error}): apt install libportaudio2, or your system's"
        ) from None
    module: ModuleType = sounddevice
    return module


def check_devices(sounddevice: Any, options: argparse.Namespace) -> None:
    """Raise CallError where microphone or speaker are missing or do not take the rate."""
    try:
        sounddevice.check_input_settings(options.input, 1, "int16", samplerate=options.rate)
        sounddevice.check_output_settings(options.output, 1, "int16", samplerate=options.rate)
    except (sounddevice.PortAudioError, ValueError) as error:
        raise CallError(
            f"no microphone or speaker for {options.rate} Hz ({error}): `parley talk --list-devices` lists what there "
            "is; choose with --input, --output and --rate"
        ) from error


async def talk(sounddevice: Any, options: argparse.Namespace) -> int:
    """Hold a call over the devices of `sounddevice` until either side ends it."""
    loop = asyncio.get_running_loop()
    spoken: asyncio.Queue[bytes] = asyncio.Queue(MAX_QUEUED_BLOCKS)
    block = options.rate * BLOCK_MS // 1000

    def enqueue(pcm: bytes) -> None:
        if spoken.full():
            spoken.get_nowait()
        spoken.put_nowait(pcm)

    def recorded(indata: Any, _frames: int, _time: Any, _status: Any) -> None:
        loop.call_soon_threadsafe(enqueue, bytes(indata))

    call = Conversation(
        options.server,
        agent=options.agent,
        language=options.language,
        sample_rate_hz=options.rate,
        playback="device",
    )

    def played(outdata: Any, frames: int, _time: Any, _status: Any) -> None:
        outdata[:] = call.playback.pull(frames)

    shape = {"samplerate": options.rate, "blocksize": block, "channels": 1, "dtype": "int16"}
    with LiveView(console()) as view:
        async with call, Listener(call, view.show) as listener:
            with (
                sounddevice.RawInputStream(device=options.input, callback=recorded, **shape),
                sounddevice.RawOutputStream(device=options.output, callback=played, **shape),
            ):
                while not call.has_ended:
                    try:
                        await call.send_audio(await asyncio.wait_for(spoken.get(), 1.0))
                    except TimeoutError:
                        continue  # the microphone gives nothing: look whether the call still is
                    except CallError:
                        break
            await listener.until(lambda: listener.has_ended, 5.0, "the server ends the call")
    if listener.failure is not None:
        raise listener.failure
    return 0
