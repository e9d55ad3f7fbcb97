"""Jetpack: the API of ShipBob, on which it runs (facts/shipbob.md section 0)."""
