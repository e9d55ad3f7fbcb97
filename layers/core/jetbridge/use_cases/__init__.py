"""The verbs: one module for each thing Jetbridge does, over ports only."""
