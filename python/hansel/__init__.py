"""hansel for Python: a WSGI server in Rust. See `hansel.wsgi`; what is mounted beside an application is in `hansel.mounts`."""

from hansel._hansel import __version__
from hansel.mounts import file, files, fixed, redirect

__all__ = ["__version__", "file", "files", "fixed", "redirect"]
