"""The savevm stream and typed trees of what it holds. No Qt, no asyncio."""
