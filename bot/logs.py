"""Logs: one line an event, no words of people in them."""

import logging

import structlog


def set_up() -> None:
    """Every process calls this once: plain lines with a time, at INFO."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
    quiet_libraries()


def quiet_libraries() -> None:
    """Some libraries log what is nobody's business: query parameters at INFO (twilio), every turn at DEBUG (transitions,
    at ten times the cost of the turn)."""
    for name in ("transitions", "twilio.http_client", "urllib3", "sqlalchemy.engine"):
        logging.getLogger(name).setLevel(logging.WARNING)
