"""The pictures of the documentation, drawn by code; see `python -m scripts pictures`."""
