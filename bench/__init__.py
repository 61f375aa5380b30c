"""Measurements of Parley itself: `make bench`, described in bench/README.md."""
