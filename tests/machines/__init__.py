"""Real virtual machines for the tests: QEMU under TCG, driven over QMP."""

from tests.machines.machine import Machine, MachineError

__all__ = ["Machine", "MachineError"]
