"""Side-by-side comparisons: each case measures two things in turn, in one run, and prints their ratio."""
