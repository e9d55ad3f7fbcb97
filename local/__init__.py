"""The whole system on one machine: the local stack, the partner simulators and the demo."""
