"""The GUI script: loads the application, then runs it.

Nothing that is made until the window is shown is garbage, so none is looked for meanwhile: that took 30 ms.
"""

from __future__ import annotations

from vmsnap_gui.collecting import paused_collection


def main() -> int:
    """Run the application with the process's arguments and return its exit status."""
    with paused_collection():
        from vmsnap_gui import app
    return app.main()
