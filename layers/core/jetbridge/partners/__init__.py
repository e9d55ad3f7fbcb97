"""The partners behind their ports: their words, their status codes and their JSON stop in here."""
