"""Device primitives: the only hardware that knows a device family."""
