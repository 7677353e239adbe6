"""What a saved state means to a person. No Qt, no asyncio."""
