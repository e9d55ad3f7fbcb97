"""What AWS keeps and carries for us: each module is the adapter of one port, and vendor words stop here."""
