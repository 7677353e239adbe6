"""Importing a large package that is built on Qt, piece by piece, on the Qt thread.

Importing pyqtgraph in one go keeps the window waiting for 150 to 800 ms. In a worker thread it crashes: with PySide6
6.11 on Python 3.11, 4 of 120 runs ended in a segmentation fault in PySide::MetaObjectBuilder::update(), called by
metaObject() on the Qt thread while the import was making Python types of Qt's classes by the hundred. So those types
are made on the Qt thread only, in small slices.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
import time
from importlib.abc import SourceLoader
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

if TYPE_CHECKING:
    from collections.abc import Iterator

_QT_MODULES = ("QtCore", "QtGui", "QtWidgets", "QtSvg", "QtOpenGL", "QtOpenGLWidgets", "QtTest")


class _Import:
    """An import that is under way, for all who wait for it; it goes on if the first of them is destroyed.

    Attributes:
        ended: Whether nothing more is to be done.
        error: Why it failed, if it did.
    """

    def __init__(self, name: str) -> None:
        self.ended = False
        self.error: Exception | None = None
        self._name = name
        self._steps = _steps(name)

    def advance(self) -> None:
        """Do one step."""
        try:
            self.ended = self.ended or next(self._steps, None) is None
        except Exception as error:
            sys.modules.pop(self._name, None)
            self.ended, self.error = True, error
        if self.ended:
            _under_way.pop(self._name, None)


_under_way: dict[str, _Import] = {}


class GentleImport(QObject):
    """Imports one package. What it imports that has nothing to do with Qt (NumPy) should be there already.

    Signals:
        finished: The package can be imported like any other.
        failed: (Exception) It cannot be imported.
    """

    finished = Signal()
    failed = Signal(object)

    def __init__(self, name: str, parent: QObject | None = None, *, at_once: float = 0.008) -> None:
        """Prepare to import `name`, working for about `at_once` seconds between two turns of the event loop."""
        super().__init__(parent)
        self._name = name
        self._at_once = at_once
        self._import: _Import | None = None
        self._timer = QTimer(self, interval=0)
        self._timer.timeout.connect(self._work)

    def start(self) -> None:
        """Begin, or go on with what another one began."""
        self._import = _under_way.setdefault(self._name, _Import(self._name))
        self._timer.start()

    def _work(self) -> None:
        """Do a slice of the work."""
        work, until = self._import, time.monotonic() + self._at_once
        if work is None:
            return
        while not work.ended:
            work.advance()
            if time.monotonic() >= until:
                return
        self._timer.stop()
        if work.error is not None:
            self.failed.emit(work.error)
        else:
            self.finished.emit()


def _steps(name: str) -> Iterator[str]:
    """Import the package `name`, yielding what was done after each small piece of work."""
    for module in _QT_MODULES:
        yield from _touch(f"PySide6.{module}")
    if name in sys.modules:
        return
    spec = importlib.util.find_spec(name)
    if spec is None or not isinstance(spec.loader, SourceLoader):
        importlib.import_module(name)
        return
    package = importlib.util.module_from_spec(spec)
    sys.modules[name] = package
    where = spec.origin or name
    for statement in ast.parse(spec.loader.get_source(name) or "", where).body:
        exec(compile(ast.Module([statement], []), where, "exec", dont_inherit=True), package.__dict__)
        yield ast.unparse(statement)


def _touch(name: str) -> Iterator[str]:
    """Make the Python types of a Qt module: PySide does that when a class is first looked up."""
    try:
        module = importlib.import_module(name)
    except ImportError:  # not every installation has all of them, and pyqtgraph does without
        return
    yield name
    for attribute in dir(module):
        getattr(module, attribute)
        yield attribute
