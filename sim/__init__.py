"""Simulation of generated engines."""
