"""The flight recorder: what HAProxy and the agent said to each other, in a file of bounded size.

``record.py`` takes bytes from the event loop and writes them in a thread of its own, ``cutting.py`` makes frames of
them, ``redact.py`` puts placeholders for values, ``files.py`` is the file and the one before it, ``capture.py`` a line.
"""
