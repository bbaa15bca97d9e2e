"""What mypyc is told of a class beyond its types; interpreted it says nothing.

``@mypyc_attr(acyclic=True)``: no object of the class is left in a cycle, so the collector need not know it. For those
that are made with every frame: a sixth of what it takes to make one and let it go, and 16 bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_extensions import mypyc_attr as mypyc_attr
else:

    def mypyc_attr(**_said):
        """Take the class as it is."""
        return lambda cls: cls
