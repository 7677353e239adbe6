"""Fault runs: operations that are killed, starved or cut off at random moments, and what vmsnap makes of them."""
