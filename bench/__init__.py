"""How fast the agent is, measured: `make bench`. One file, one idea; `python -m bench --help` says what there is.

parts      wire.py, core.py, haproxy.py, memory.py, soak.py: what is measured, each for itself
means      native.py (programs in C), builds.py (the agent compiled and interpreted), processes.py, agents.py, load.py,
           receiver.py, proxies.py, scenarios.py
results    results.py (what a part gives back), bars.py (what it is held to), page.py (docs/performance.md)
"""
