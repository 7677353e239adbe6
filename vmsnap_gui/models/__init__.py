"""Qt item models over the core. QtCore and QtGui only."""
