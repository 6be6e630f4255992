"""Device primitives: the only code that knows a device family."""
