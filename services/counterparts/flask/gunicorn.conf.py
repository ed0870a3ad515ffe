"""How the services run: processes and threads as on one machine with two cores."""

import os

bind = os.environ.get("LISTEN", "127.0.0.1:8080")
workers = int(os.environ.get("WORKERS", "2"))
threads = 16
timeout = 60
graceful_timeout = 10
limit_request_line = 8190
limit_request_fields = 100
