"""`haproxy-telemetry demo`: two HAProxies, a fake server, the agent and the viewer, all on this machine.

In the order of what happens: ``story`` tells it, ``topology`` starts it (``binary``, ``ports``, ``children``,
``origin``, ``viewing``), ``client`` sends, ``checker`` judges the ``arrivals``, ``report`` shows them.
"""
