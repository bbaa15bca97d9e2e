"""Several processes that are one agent: a supervisor, and workers that serve HAProxy.

Each worker is the agent as it runs alone, with an address of its own and a channel to the supervisor in place of the
sockets for records and pages. The supervisor starts them, and starts them anew; takes the records and hands each to
the worker that has its stream; answers for all of them on ``/metrics``, ``/livez``, ``/readyz`` and ``/status``; and
says at the end what they did together.

    supervisor.py   its life: start, signals, end
    fleet.py        the workers' processes: which live, what they said last
    dispatch.py     records: whose is it?                            (pure)
    pages.py        what is asked of all workers at once
    picture.py      how a worker is, for /status                     (pure)
    share.py        what of the settings is a worker's               (pure)
    sums.py         their answers, added up                          (pure)
    backoff.py      how long until a worker is started again         (pure)
    messages.py     what the two say to each other, and as bytes     (pure)
    channel.py      the socket between them
    worker.py       a worker's life
"""
