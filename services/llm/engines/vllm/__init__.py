"""The vLLM engine: AsyncLLM in this process, the model in one that it starts."""
