"""What Jetbridge knows about orders, without asking anybody: pure values and pure functions."""
