"""Where launch profiles are kept: one JSON file of the user, for the window and the command line alike."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from vmsnap_gui.control.errors import ControlError
from vmsnap_gui.control.profile import LaunchProfile, checked_name

if TYPE_CHECKING:
    from collections.abc import Iterator


def profiles_file() -> Path:
    """Return the user's file of profiles."""
    return platformdirs.user_config_path("vmsnap") / "profiles.json"


class ProfileStore:
    """The profiles, read anew each time, since the window and commands may change them at the same time."""

    def __init__(self, file: Path | None = None) -> None:
        """Keep them in `file`; the user's where it is None."""
        self._file = file if file is not None else profiles_file()

    def all(self) -> tuple[LaunchProfile, ...]:
        """Return the profiles, sorted by name.

        Raises:
            ControlError: the file cannot be read.
        """
        try:
            text = self._file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ()
        except (OSError, UnicodeDecodeError) as error:
            raise ControlError(f"the launch profiles cannot be read: {error}", path=self._file) from error
        try:
            documents = json.loads(text)["profiles"]
            found = [LaunchProfile.from_json(one) for one in documents]
        except (ValueError, KeyError, TypeError, ControlError) as error:
            raise ControlError(
                f"the launch profiles cannot be read: {error}; mend the file, or move it away", path=self._file
            ) from error
        return tuple(sorted(found, key=lambda one: one.name))

    def get(self, name: str) -> LaunchProfile:
        """Return the profile of that name.

        Raises:
            ControlError: there is none, or the file cannot be read.
        """
        profiles = self.all()
        for one in profiles:
            if one.name == name:
                return one
        names = ", ".join(one.name for one in profiles)
        there = f"there are: {names}" if names else "there are none yet"
        raise ControlError(f"no launch profile is called {name!r}; {there}")

    def put(self, profile: LaunchProfile) -> None:
        """Keep a profile, instead of one of the same name.

        Raises:
            ControlError: the name cannot be one, or the file cannot be read or written.
        """
        checked_name(profile.name)
        with self._changing():
            self._write([*(one for one in self.all() if one.name != profile.name), profile])

    def remove(self, name: str) -> None:
        """Forget a profile.

        Raises:
            ControlError: there is none of that name, or the file cannot be read or written.
        """
        with self._changing():
            self.get(name)
            self._write([one for one in self.all() if one.name != name])

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        """Keep others from changing the file between our reading and our writing."""
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.with_suffix(".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise ControlError(f"the launch profiles cannot be written: {error}", path=self._file) from error

    def _write(self, profiles: list[LaunchProfile]) -> None:
        text = json.dumps({"profiles": [one.as_json() for one in profiles]}, indent=1)
        descriptor, name = tempfile.mkstemp(dir=self._file.parent, prefix=".profiles-")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text + "\n")
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self._file)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
