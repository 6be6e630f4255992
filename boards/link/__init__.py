"""The link between a host and an engine on a board: packets over a serial line."""
