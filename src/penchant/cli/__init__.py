"""The command line: `penchant`."""

from penchant.cli.app import app, main

__all__ = ["app", "main"]
