"""Traces of whole calls."""
