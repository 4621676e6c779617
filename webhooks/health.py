"""Whether this process lives, and whether it can do its work: for load balancers and people on call."""

from collections.abc import Callable, Mapping

import structlog
from flask import Blueprint, Response, jsonify

from webhooks import plain

log = structlog.get_logger(__name__)


def blueprint(checks: Mapping[str, Callable[[], object]]) -> Blueprint:
    """`/health/live` is always 200; `/health/ready` is 200 when every check returns, and 503 when one of them raises."""
    doors = Blueprint("health", __name__)

    @doors.get("/health/live")
    def live() -> Response:
        return plain("ok")

    @doors.get("/health/ready")
    def ready() -> tuple[Response, int]:
        results = {name: _passes(name, check) for name, check in checks.items()}
        report = {name: "ok" if passed else "failed" for name, passed in results.items()}
        return jsonify(report), 200 if all(results.values()) else 503

    return doors


def _passes(name: str, check: Callable[[], object]) -> bool:
    """Whatever a check raises belongs in the report as a failure; its words do not, they may hold a password."""
    try:
        check()
    except Exception as error:  # noqa: BLE001
        log.error("not ready", check=name, error=type(error).__name__)
        return False
    return True
