"""Dia's network: layers, attention, and products whose rows never depend on one another."""
