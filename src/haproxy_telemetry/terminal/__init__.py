"""Traces as text, for the terminal: what the demo, ``tail`` and ``replay`` draw.

``records.py`` has what is known of a span, whoever sent it, ``waterfall.py`` draws a trace, ``page.py`` says where to.
"""
