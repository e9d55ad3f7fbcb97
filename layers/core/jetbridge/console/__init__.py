"""The HTTP API for people: routes, who may come in, and what the answers look like."""
