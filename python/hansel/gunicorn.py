"""A worker class for gunicorn: `gunicorn --worker-class hansel.gunicorn.Worker module:application`.

gunicorn listens, starts workers, watches and restarts them; each of them serves with hansel. Of gunicorn's settings, `threads`
(64 unless it is set), `graceful_timeout`, `certfile`, `keyfile` and `limit_request_line` apply.
"""

# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUntypedBaseClass=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportMissingModuleSource=false

from __future__ import annotations

import os
import select
from typing import Any

from gunicorn.workers import base  # type: ignore[import-not-found, import-untyped, unused-ignore]

from hansel.wsgi import DEFAULT_THREADS, WSGIServer

__all__ = ["Worker"]


class Worker(base.Worker):  # type: ignore[misc]
    """A process of gunicorn's that serves with hansel."""

    def run(self) -> None:
        """Serves until gunicorn says stop, or has gone."""
        cfg: Any = self.cfg
        server = WSGIServer(
            self.wsgi,
            sockets=[getattr(listener, "sock", listener) for listener in self.sockets],
            grace=float(cfg.graceful_timeout),
            multiprocess=cfg.workers > 1,
            threads=cfg.threads if cfg.threads > 1 else DEFAULT_THREADS,
            target=cfg.limit_request_line or None,
            certificate=cfg.certfile,
            key=cfg.keyfile,
        )
        server.start()
        while self.alive and self.ppid == os.getppid() and not server.has_failed:
            self.notify()
            # A signal writes into it.
            select.select([self.PIPE[0]], [], [], 1.0)
        server.close()
