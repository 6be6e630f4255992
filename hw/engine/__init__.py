"""The engine, one stage per file, in the order that data flows."""
