from collections.abc import Callable
from typing import Any

__version__: str

class Server:
    addresses: list[tuple[str, int]]
    def __new__(cls, addresses: list[str], **options: Any) -> Server: ...
    def start(
        self,
        application: Callable[..., Any],
        environ: dict[str, Any],
        stop: Callable[[BaseException], None],
    ) -> Running: ...

class Running:
    def shutdown(self, grace: float) -> None: ...
    def wait(self) -> tuple[int, int]: ...
    def set_ready(self, is_ready: bool) -> None: ...
