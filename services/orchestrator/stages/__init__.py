"""The stages as the orchestrator sees them: streams that reopen themselves, and what they say."""
