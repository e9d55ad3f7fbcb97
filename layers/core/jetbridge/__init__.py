"""Jetbridge: carries Shopify orders to the Jetpack warehouse and brings tracking and stock back."""

import logging

# Without a handler of its own the package's logger is unknown to Powertools and info lines are lost without a word.
logging.getLogger(__name__).addHandler(logging.NullHandler())
