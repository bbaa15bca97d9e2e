"""OTLP/JSON as the official classes read it."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

from google.protobuf import json_format

IDS = {"traceId", "spanId", "parentSpanId"}


def from_otlp_json(body: bytes, kind: Any) -> Any:
    """Return a message of ``kind``; protobuf's own JSON has ids in base64 where OTLP has hex."""

    def ids_in_base64(fields: dict[str, Any]) -> dict[str, Any]:
        for name in fields.keys() & IDS:
            assert fields[name] == fields[name].lower()
            fields[name] = b64encode(bytes.fromhex(fields[name])).decode()
        return fields

    return json_format.ParseDict(json.loads(body, object_hook=ids_in_base64), kind())
