"""The seam: messages become instructions, propagation becomes actions.

The only part that knows both vocabularies, SPOP's and tracing's. One file for each family of messages.
"""

from haproxy_telemetry.dialect.scripts import Script, write_script
from haproxy_telemetry.dialect.translate import Translation, translate
from haproxy_telemetry.dialect.variables import VariableWriter

__all__ = ["Script", "Translation", "VariableWriter", "translate", "write_script"]
