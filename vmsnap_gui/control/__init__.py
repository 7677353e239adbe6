"""Everything that touches other processes: locks now, QEMU and its tools later. No Qt."""
