"""The CTranslate2 engine: a converted model in this process, on the CPU or a GPU."""
