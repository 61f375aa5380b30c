"""Language model engines by name; each is imported only when chosen."""

ENGINES = {
    "rules": "services.llm.engines.rules.engine:RulesEngine",
    "openai": "services.llm.engines.openai:OpenAiEngine",
    "vllm": "services.llm.engines.vllm.engine:VllmEngine",
    "ctranslate2": "services.llm.engines.ctranslate.engine:CTranslate2Engine",
    "fake": "services.llm.engines.fake:FakeEngine",
}
