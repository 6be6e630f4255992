"""Cycle counts of generated engines, beside those of other accelerators and of a naive engine."""
