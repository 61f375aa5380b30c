"""Speech synthesis over real gRPC."""
