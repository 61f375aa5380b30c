"""Engines by name. A new one is a file here and a line in this table."""

ENGINES = {
    "espeak": "services.tts.engines.espeak:EspeakEngine",
    "fake": "services.tts.engines.fake:FakeEngine",
    "piper": "services.tts.engines.piper:PiperEngine",
}
