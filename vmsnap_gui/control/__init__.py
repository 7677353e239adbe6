"""Other processes: who holds an image, and the only room that has QEMU and its tools change one. No Qt."""
