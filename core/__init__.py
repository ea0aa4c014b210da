"""Everything Invariscope computes; nothing here knows how it is shown."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("invariscope")
except PackageNotFoundError:  # run from a checkout that was never installed
    __version__ = "0.0.0+source"
