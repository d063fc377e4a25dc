"""Watchword: a self-hosted zero trust platform."""

__version__ = "0.1.0"
