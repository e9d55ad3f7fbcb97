"""Servers that behave as the partners do, strictly enough to find our mistakes."""
