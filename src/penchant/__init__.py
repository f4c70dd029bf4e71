"""Penchant turns an event log into a live recommender whose picture of each user changes with every event."""

__version__ = "0.1.0"
