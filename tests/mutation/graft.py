"""Make running code wrong: the functions of a module get the code of a mutant, its constants the mutant's values.

Everybody who holds a function or a class goes on holding it; nothing is imported again.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Mapping
from types import FunctionType, ModuleType
from typing import Any, Final

DERIVED: Final[Mapping[str, tuple[str, ...]]] = {
    "hfs_appliance.mcp.phases": ("hfs_appliance.mcp.classify", "hfs_appliance.mcp.glance")
}
"""Modules that compute something of another one's constants when they are imported."""


def graft(module: ModuleType, tree: ast.Module) -> None:
    """Put a mutant in the place of a module. There is no way back: do it in a process of its own."""
    _replace(module, compile(tree, str(module.__file__), "exec"))
    for name in DERIVED.get(module.__name__, ()):
        derived = sys.modules[name]
        assert derived.__file__ is not None
        with open(derived.__file__, encoding="utf-8") as file:  # noqa: PTH123
            _replace(derived, compile(file.read(), derived.__file__, "exec"))


def _replace(module: ModuleType, code: Any) -> None:
    new = ModuleType(module.__name__)
    new.__file__ = module.__file__
    new.__package__ = module.__package__
    exec(code, new.__dict__)  # noqa: S102  # our own source, changed by us
    for name, value in vars(new).items():
        old = getattr(module, name, None)
        if getattr(value, "__module__", None) == module.__name__ and isinstance(value, FunctionType | type):
            _graft(old, value)
        elif not name.startswith("__") and not isinstance(value, FunctionType | type | ModuleType):
            _spread(name, old, value)


def _graft(old: Any, new: Any) -> None:
    """Give a function, or all functions of a class, the code of another one."""
    match new:
        case FunctionType() if isinstance(old, FunctionType):
            old.__code__, old.__defaults__, old.__kwdefaults__ = new.__code__, new.__defaults__, new.__kwdefaults__
        case property():
            _graft(old.fget, new.fget)
        case classmethod() | staticmethod():
            _graft(old.__func__, new.__func__)
        case type():
            for name, value in vars(new).items():
                if name in vars(old):
                    _graft(vars(old)[name], value)


def _spread(name: str, old: Any, value: Any) -> None:
    """Give a constant to everybody who has imported it by its name."""
    for other in list(sys.modules.values()):
        if other.__name__.startswith("hfs_appliance") and vars(other).get(name, value) is old:
            setattr(other, name, value)
