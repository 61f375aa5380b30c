"""Models: which there are (catalogue), how they come (hub, pull), what lies there (folder), is it right (verify)."""
