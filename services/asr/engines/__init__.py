"""Engines of the recognition service by name; each is imported only when chosen."""

ENGINES = {
    "pocketsphinx": "services.asr.engines.pocketsphinx:Pocketsphinx",
    "faster-whisper": "services.asr.engines.faster_whisper:FasterWhisper",
    "fake": "services.asr.engines.fake:FakeAsr",
}
