"""`haproxy-telemetry demo`: two HAProxies, a fake server, the agent and a receiver, all on this machine.

In the order of what happens: ``story`` tells it, ``topology`` starts it (``binary``, ``ports``, ``children``,
``launch``, ``origin``, ``receiver``), ``requests`` sends, ``checker`` judges what the ``store`` holds,
``waterfall`` and ``report`` show it.
"""
