"""Bytes on disk to snapshots and byte views. No Qt, no asyncio, never writes."""
