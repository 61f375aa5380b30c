"""Engines of the turn service by name; each is imported only when chosen."""

ENGINES = {
    "silero-smart-turn": "services.turn.engines.silero:SileroSmartTurn",
    "fake": "services.turn.engines.fake:FakeTurn",
}
