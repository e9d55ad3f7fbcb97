"""Shopify: Admin GraphQL (facts/shopify.md)."""
