"""Glowplug ends the cold start of recommender systems."""

__version__ = "0.1.0"
