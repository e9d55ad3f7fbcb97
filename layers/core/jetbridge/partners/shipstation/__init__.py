"""ShipStation, API V1 (facts/shipstation.md)."""
