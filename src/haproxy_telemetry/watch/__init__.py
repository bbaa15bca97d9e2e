"""Traces as they finish, from a running agent or viewer: what ``tail`` is made of.

``events.py`` reads server-sent events, ``sources.py`` asks for them, ``settle.py`` puts together what belongs to one
trace, ``choose.py`` says which are wanted.
"""
