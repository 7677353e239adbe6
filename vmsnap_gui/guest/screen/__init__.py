"""The guest's screens, rendered from a saved state alone: nothing is started.

`display.screens` and `display.screen` are the way in; `thumbnail.thumbnail` makes small ones.
"""
