"""Polyphase: a generator of hardware for the layers that grow an image."""

__version__ = "0.1.0"
