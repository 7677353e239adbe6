"""The two scripts. Each loads its part of the program, then runs it.

What is made until the window is shown, and by a command, stays: no garbage is looked for meanwhile, which took 30 ms of
a start and, most of it at the end of the process, as much of a command.
"""

from __future__ import annotations

from vmsnap_gui.collecting import paused_collection


def main() -> int:
    """Run the application with the process's arguments and return its exit status."""
    with paused_collection():
        from vmsnap_gui import app
    return app.main()


def command() -> int:
    """Run the command line with the process's arguments and return its exit status."""
    with paused_collection():
        from vmsnap_gui import cli

        return cli.main()
