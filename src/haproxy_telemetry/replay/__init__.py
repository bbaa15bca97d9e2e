"""A capture played again, as HAProxy spoke: to an agent (``player.py``), or through one in this process (``core.py``).

``script.py`` reads it: what was sent, and what had been answered by then.
"""
