"""Two saved states, and what differs: fields, memory, disk, and reports of it. No Qt, no asyncio."""
