"""SPOP, the protocol between HAProxy's SPOE and an agent, without any I/O: see ``docs/spop.md``."""

from .actions import HARMLESS_ACTION, Action, Scope, SetVar, UnsetVar, parse_actions, serialize_action
from .connection import AgentConnection
from .errors import MisuseError, NotSpop, SpopError
from .events import Aborted, Connected, Disconnected, Event, Failed, HealthChecked, Notified, Skipped
from .frames import FrameType
from .handshake import DEFAULT_CAPABILITIES, Hello
from .limits import Limits
from .messages import Message, Pair
from .scalars import Binary, Int32, Uint32, Uint64
from .shapes import Match, Shape, ShapeTable, unpacked
from .states import State
from .status import StatusCode, describe_status
from .values import Value, serialize_string

__all__ = [
    "DEFAULT_CAPABILITIES",
    "HARMLESS_ACTION",
    "Aborted",
    "Action",
    "AgentConnection",
    "Binary",
    "Connected",
    "Disconnected",
    "Event",
    "Failed",
    "FrameType",
    "HealthChecked",
    "Hello",
    "Int32",
    "Limits",
    "Match",
    "Message",
    "MisuseError",
    "NotSpop",
    "Notified",
    "Pair",
    "Scope",
    "SetVar",
    "Shape",
    "ShapeTable",
    "Skipped",
    "SpopError",
    "State",
    "StatusCode",
    "Uint32",
    "Uint64",
    "UnsetVar",
    "Value",
    "describe_status",
    "parse_actions",
    "serialize_action",
    "serialize_string",
    "unpacked",
]
