"""What is kept of a session, so that it survives a broken call."""
