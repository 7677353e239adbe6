"""QtWidgets: one public widget per file."""
