"""The emulator's own endpoints, unsigned, below /_emulator/: faults, log, settings."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from .api import ApiError, Request, Response, json_response
from .faults import Faults
from .log import Log
from .signing import Users
from .store import Store


@dataclass
class Emulator:
    """All that the connections share."""

    store: Store
    users: Users
    log: Log
    faults: Faults = field(default_factory=Faults)
    latency: float = 0.0
    """Seconds added to every request."""
    clock_offset: float = 0.0
    """Seconds that the service's clock is ahead, for tests of skewed clocks."""

    def control(self, request: Request) -> Response:
        match request.call.name:
            case "GET faults":
                return json_response(self.faults.as_json())
            case "POST faults":
                try:
                    self.faults.add(json.loads(bytes(request.body)))
                except (TypeError, ValueError) as error:
                    raise ApiError(400, "BadFault", str(error)) from None
                return json_response(self.faults.as_json())
            case "DELETE faults":
                self.faults.clear()
                return Response(204)
            case "GET log":
                return json_response(self.log.since(int(request.query.get("since") or 0)))
            case "DELETE log":
                self.log.clear()
                return Response(204)
            case "POST settings":
                return self._set(request.json())
        raise ApiError(404, "NotFound", f"the emulator knows no {request.call.name}")

    def _set(self, values: dict[str, object]) -> Response:
        for name, value in values.items():
            seconds = float(str(value))
            match name:
                case "latency":
                    self.latency = seconds
                case "clock_offset":
                    self.clock_offset = seconds
                case "restore_delay":
                    self.store.restore_delay = seconds
                case "age":
                    self.store.age = seconds
                case _:
                    raise ApiError(400, "BadSetting", f"no setting is called {name}")
        return Response(204)
