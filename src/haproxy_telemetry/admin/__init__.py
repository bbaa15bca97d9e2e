"""The agent about itself: ``/livez``, ``/readyz`` and ``/metrics`` over HTTP, in a thread of their own.

Read-only, and bounded: nothing here can delay a request, and a scraper can take no more than is laid down in
``listener.py``. ``catalog.py`` has the metrics by name, ``pages.py`` what is answered, ``vitals.py`` when the agent
lives and is ready.
"""
