"""Measurements of the GPU stages."""
