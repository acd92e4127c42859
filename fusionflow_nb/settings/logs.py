"""Log output on stderr, switched on by FUSIONFLOW_LOG."""

from __future__ import annotations

import logging
import os

LOG_VARIABLE = "FUSIONFLOW_LOG"
"""`debug`, `info`, `warning` or `error`: write log records of this level and above to stderr."""
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_NAME = "fusionflow_nb"


def configure_logging() -> None:
    """Add a stderr handler for the package's logger if FUSIONFLOW_LOG is set. Further calls have no effect."""
    text = os.environ.get(LOG_VARIABLE, "").strip().lower()
    logger = logging.getLogger(_NAME)
    if not text or any(handler.get_name() == _NAME for handler in logger.handlers):
        return
    handler = logging.StreamHandler()
    handler.set_name(_NAME)
    handler.setFormatter(logging.Formatter(_FORMAT))
    logger.addHandler(handler)
    logger.setLevel(LEVELS.get(text, logging.WARNING))
    if text not in LEVELS:
        logger.warning("%s=%r is not a log level. Use one of %s.", LOG_VARIABLE, text, ", ".join(LEVELS))
