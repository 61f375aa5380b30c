"""Engines of the recognition service by name; each is imported only when chosen."""

ENGINES = {
    "pocketsphinx": "services.asr.engines.pocketsphinx:Pocketsphinx",
    "fake": "services.asr.engines.fake:FakeAsr",
}
