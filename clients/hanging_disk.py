"""A file system whose reads hang until they are released (Linux, FUSE).

It speaks the kernel's protocol itself (`linux/fuse.h`), so that a read which hangs takes no thread here, and the test
knows how many do.
"""

import contextlib
import errno
import os
import shutil
import socket
import stat
import struct
import subprocess
import tempfile
import threading

# Operations, by their numbers in `linux/fuse.h`.
LOOKUP, FORGET, GETATTR, OPEN, READ, RELEASE, INIT, INTERRUPT, BATCH_FORGET = 1, 2, 3, 14, 15, 18, 26, 36, 42
NOT_ANSWERED = (FORGET, INTERRUPT, BATCH_FORGET)
# The supported version of the protocol.
VERSION = (7, 23)
# `FOPEN_DIRECT_IO`: each read of a program arrives here.
DIRECT_IO = 1
ROOT = 1
FILES = {"file": 2, "late": 3}
# The most that the kernel may send at once.
REQUEST = 1 << 20


class NotHere(Exception):
    """No such file system can be mounted on this machine."""


class HangingDisk:
    """A directory with two files of the same content. Every read of `file` hangs, and every read of `late` but the
    first, from when they are told to until they are released."""

    def __init__(self, content):
        self.content = content
        self.folder = tempfile.mkdtemp(prefix="hansel-disk-")
        self._changed = threading.Condition()
        self._hang = set()
        self._hanging = []
        try:
            self._device = mounted(self.folder)
        except NotHere:
            os.rmdir(self.folder)
            raise
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # Lazily, so that an open file does not delay the end.
        subprocess.run(["fusermount3", "-u", "-z", self.folder], check=True)
        os.rmdir(self.folder)

    @contextlib.contextmanager
    def hangs(self):
        """Makes reads hang meanwhile. In the end they are released whatever happened, because a process whose read
        hangs cannot be killed."""
        with self._changed:
            self._hang = set(FILES.values())
        try:
            yield
        finally:
            for name in FILES:
                self.let_go(name)

    def let_go(self, name):
        """Completes all hanging reads of a file, and later ones at once."""
        node = FILES[name]
        with self._changed:
            self._hang.discard(node)
            answered = [read for read in self._hanging if read[0] == node]
            self._hanging = [read for read in self._hanging if read[0] != node]
        for _, unique, content in answered:
            self._reply(unique, content)

    def hanging(self):
        """Returns how many reads hang."""
        with self._changed:
            return len(self._hanging)

    def await_hanging(self, number, patience):
        """Waits until that many reads hang. Returns whether they do."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._hanging) >= number, patience)

    def _serve(self):
        while True:
            try:
                request = os.read(self._device, REQUEST)
            except OSError:
                # ENODEV: it is no longer mounted.
                return
            _, operation, unique, node, *_ = struct.unpack_from("=IIQQIIII", request)
            if operation not in NOT_ANSWERED:
                self._answer(operation, unique, node, request[40:])

    def _answer(self, operation, unique, node, body):
        if operation == INIT:
            readahead = struct.unpack_from("=III", body)[2]
            reply = struct.pack("=IIIIHHIIHHI28x", *VERSION, readahead, 0, 64, 48, 1 << 17, 1, 0, 0, 0)
            self._reply(unique, reply)
        elif operation == LOOKUP:
            found = FILES.get(body.rstrip(b"\0").decode())
            if found is None:
                return self._reply(unique, b"", errno.ENOENT)
            self._reply(unique, struct.pack("=QQQQII", found, 0, 60, 60, 0, 0) + self._attributes(found))
        elif operation == GETATTR:
            self._reply(unique, struct.pack("=QII", 60, 0, 0) + self._attributes(node))
        elif operation == OPEN:
            self._reply(unique, struct.pack("=QII", 0, DIRECT_IO, 0))
        elif operation == READ:
            _, offset, size = struct.unpack_from("=QQI", body)
            content = self.content[offset:offset + size]
            with self._changed:
                if node in self._hang and not (node == FILES["late"] and offset == 0):
                    self._hanging.append((node, unique, content))
                    return self._changed.notify_all()
            self._reply(unique, content)
        elif operation == RELEASE:
            self._reply(unique, b"")
        else:
            self._reply(unique, b"", errno.ENOSYS)

    def _attributes(self, node):
        is_root = node == ROOT
        mode = stat.S_IFDIR | 0o555 if is_root else stat.S_IFREG | 0o444
        size = 0 if is_root else len(self.content)
        times = (0,) * 6
        return struct.pack(
            "=QQQ3Q3IIIIIIII", node, size, size // 512, *times, mode, 1, os.getuid(), os.getgid(), 0, 4096, 0
        )

    def _reply(self, unique, content, error=0):
        os.write(self._device, struct.pack("=IiQ", 16 + len(content), -error, unique) + content)


def mounted(folder):
    """Mounts a file system; returns the descriptor at which its requests arrive."""
    if not shutil.which("fusermount3"):
        raise NotHere("fusermount3 is not installed (.ci/install does that)")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        command = ["fusermount3", "-o", "ro,nosuid,nodev,fsname=hansel", "--", folder]
        environment = {**os.environ, "_FUSE_COMMFD": str(theirs.fileno())}
        done = subprocess.run(
            command, env=environment, pass_fds=[theirs.fileno()], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise NotHere(done.stderr.strip() or f"fusermount3 has ended with status {done.returncode}")
        return socket.recv_fds(ours, 1, 1)[1][0]
