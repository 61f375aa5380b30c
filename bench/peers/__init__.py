"""Parley beside its peers over the same fake stages: `python -m bench peers`. See bench/README.md."""
