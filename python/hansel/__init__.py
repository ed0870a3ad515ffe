"""hansel for Python: a WSGI server in Rust. See `hansel.wsgi`."""

from hansel._hansel import __version__

__all__ = ["__version__"]
