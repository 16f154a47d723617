"""`make demo`: a story that shows the operator at work on real servers, and checks all that it tells.

Start reading at `story`. `stage` holds what the acts use, `venue` where they play: a cluster of our own or one
of the user's. Not for tests, which start the servers themselves.
"""
