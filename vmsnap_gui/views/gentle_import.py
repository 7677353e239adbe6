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

_SLICE = 0.008
"""Seconds of work, at the least, between two turns of the event loop."""
_QT_MODULES = ("QtCore", "QtGui", "QtWidgets", "QtSvg", "QtOpenGL", "QtOpenGLWidgets", "QtTest")


_UNDERWAY: dict[str, Iterator[str]] = {}


class GentleImport(QObject):
    """Imports one package. What it imports that has nothing to do with Qt (NumPy) should be there already.

    Signals:
        finished: The package can be imported like any other.
        failed: (Exception) It cannot be imported.
    """

    finished = Signal()
    failed = Signal(object)

    def __init__(self, name: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._name = name
        # Shared: who comes while the package is half there goes on with it, also after the first one was destroyed.
        self._steps = _UNDERWAY.setdefault(name, _steps(name))
        self._timer = QTimer(self, interval=0)
        self._timer.timeout.connect(self._work)

    def start(self) -> None:
        """Begin."""
        self._timer.start()

    def _work(self) -> None:
        until = time.monotonic() + _SLICE
        try:
            while time.monotonic() < until:
                if next(self._steps, None) is None:
                    self._timer.stop()
                    self.finished.emit()
                    return
        except Exception as error:
            self._timer.stop()
            sys.modules.pop(self._name, None)
            _UNDERWAY.pop(self._name, None)
            self.failed.emit(error)


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
