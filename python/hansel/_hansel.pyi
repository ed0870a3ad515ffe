from collections.abc import Callable
from typing import IO, Any, final

__version__: str

@final
class FileWrapper:
    filelike: IO[bytes]
    blksize: int
    def __new__(cls, filelike: IO[bytes], blksize: int = 65536) -> FileWrapper: ...
    def __iter__(self) -> FileWrapper: ...
    def __next__(self) -> bytes: ...
    def close(self) -> None: ...

@final
class Candidates:
    def __new__(cls, expressions: list[str]) -> Candidates: ...
    def of(self, path: str) -> list[int]: ...

@final
class Mount:
    @staticmethod
    def files(
        path: str, is_directory: bool, max_age: float | None, is_immutable: bool, flags: list[str], fallback: str | None
    ) -> Mount: ...
    @staticmethod
    def fixed(status: int, headers: list[tuple[str, str]], content: bytes, is_content: bool) -> Mount: ...

@final
class Mounts:
    def __new__(cls, mounts: dict[str, Mount]) -> Mounts: ...

@final
class Server:
    addresses: list[tuple[str, int]]
    def __new__(cls, addresses: list[str], sockets: list[tuple[int, bool]], **options: Any) -> Server: ...
    def start(
        self,
        application: Callable[..., Any],
        environ: dict[str, Any],
        failed: Callable[[BaseException, str], str | None],
        mounts: Mounts | None = None,
    ) -> Running: ...

@final
class Running:
    def shutdown(self, grace: float) -> None: ...
    def wait(self) -> tuple[int, int, int]: ...
    def set_ready(self, is_ready: bool) -> None: ...
