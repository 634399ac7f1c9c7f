"""Finds the application that an import string names."""

import importlib
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType

import msgspec

from moongate.app import Moongate
from moongate.errors import ConfigurationError

__all__ = ["ImportString", "load"]


class ImportString(msgspec.Struct, frozen=True):
    """An application as the command line names it: `module:attribute`, the module as an `import` would name it."""

    module: str
    attribute: str

    @classmethod
    def parse(cls, text: str) -> "ImportString":
        """Read `module:attribute`; raises ConfigurationError that says what it may have been meant to be."""
        module, colon, attribute = text.partition(":")
        if module.endswith(".py") or os.sep in module:
            dotted = ".".join(part for part in Path(module).with_suffix("").parts if part not in {os.sep, ".."})
            raise ConfigurationError(
                f"expected the name of a module, got the path {module!r}",
                mend=f"Write it as an import would: {dotted}:{attribute or 'app'}",
            )
        if not module or not attribute:
            raise ConfigurationError(
                f"expected module:attribute, got {text!r}",
                mend=f"Name the application in the module: {module or 'module'}{colon or ':'}app",
            )
        return cls(module, attribute)


def load(target: ImportString) -> Moongate:
    """Import the application; modules of the current directory are found. Raises ConfigurationError."""
    directory = os.getcwd()  # noqa: PTH109  # sys.path holds texts
    if directory not in sys.path:
        sys.path.insert(0, directory)
    module = _import(target.module, directory)
    found = getattr(module, target.attribute, None)
    if isinstance(found, Moongate):
        return found
    problem = (
        f"expected an application, got a value of type {type(found).__qualname__}"
        if hasattr(module, target.attribute)
        else f"the module has no {target.attribute!r}"
    )
    raise ConfigurationError(problem, where=f"{target.module}:{target.attribute}", mend=_applications(module))


def _import(name: str, directory: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or name
        if name == missing or name.startswith(f"{missing}."):
            raise ConfigurationError(
                f"there is no module {missing!r}",
                where=name,
                mend=f"Looked in {directory} and where Python finds modules. Run the command where the module lies.",
            ) from error
        frames = reversed(traceback.extract_tb(error.__traceback__))
        importer = next(frame for frame in frames if "importlib" not in frame.filename)
        raise ConfigurationError(
            f"it imports {missing!r}, which is not there",
            where=f"{importer.filename}, line {importer.lineno}",
            mend="Install the package, or correct the name.",
        ) from error


def _applications(module: ModuleType) -> str:
    """Say which applications there are in *module*."""
    names = [name for name, value in vars(module).items() if isinstance(value, Moongate)]
    if not names:
        return f"There is no application in {module.__name__}; write: app = Moongate(YourModule)"
    return f"Did you mean {' or '.join(f'{module.__name__}:{name}' for name in names)}?"
