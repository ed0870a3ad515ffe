"""A client of WebSockets that sends what it is told, right or wrong, and checks each byte that it gets (RFC 6455, RFC 7692)."""

import base64
import hashlib
import os
import select
import socket
import time
import urllib.parse
import zlib

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
NAMES = {TEXT: "text", BINARY: "binary", PING: "ping", PONG: "pong"}
# RFC 6455 §7.4: these may be in a close frame.
CODES = {*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)}


class Wrong(Exception):
    """The server has done what it must not do."""


class Socket:
    """A connection whose handshake is over."""

    def __init__(self, url, offers, patience):
        self.patience = patience
        parts = urllib.parse.urlsplit(url)
        self.socket = socket.create_connection((parts.hostname, parts.port or 80), timeout=patience)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.buffer, self.is_over = bytearray(), False
        self.message, self.frames_sent = None, 0
        key = base64.b64encode(os.urandom(16)).decode()
        fields = [
            f"Host: {parts.netloc}", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
        ]
        if offers:
            fields.append(f"Sec-WebSocket-Extensions: {', '.join(offers)}")
        status, headers = self.request(f"GET {parts.path or '/'} HTTP/1.1", fields)
        if status != 101:
            raise Wrong(f"the handshake is answered with {status}")
        accept = base64.b64encode(hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()).decode()
        if headers.get("sec-websocket-accept") != accept:
            raise Wrong("Sec-WebSocket-Accept is wrong")
        self.deflate = Deflate.of(headers.get("sec-websocket-extensions", ""), offers)

    @classmethod
    def refused(cls, url, line, fields, patience):
        """Sends a handshake that must fail. Returns the status and the headers of the response."""
        self = cls.__new__(cls)
        self.patience, self.buffer, self.is_over = patience, bytearray(), False
        parts = urllib.parse.urlsplit(url)
        self.socket = socket.create_connection((parts.hostname, parts.port or 80), timeout=patience)
        self.socket.setblocking(False)
        answer = self.request(line.replace("PATH", parts.path or "/"), [f"Host: {parts.netloc}", *fields])
        self.socket.close()
        return answer

    def request(self, line, fields):
        self.send("\r\n".join([line, *fields, "", ""]).encode())
        end = time.monotonic() + self.patience
        while (length := self.buffer.find(b"\r\n\r\n")) < 0:
            if self.is_over or not self.wait(end):
                raise Wrong("the handshake is not answered")
        head, self.buffer = self.buffer[:length].decode("latin-1"), self.buffer[length + 4:]
        first, *lines = head.split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return int(first.split()[1]), headers

    def send(self, data, chop=0):
        """Sends bytes, in pieces if it is told so, and reads meanwhile what comes."""
        view = memoryview(data)
        while view and not self.is_over:
            readable, writable, _ = select.select([self.socket], [self.socket], [], self.patience)
            if not readable and not writable:
                raise Wrong("the server has stopped reading")
            if readable:
                self.read()
            if writable and not self.is_over:
                try:
                    view = view[self.socket.send(view[: chop or len(view)]):]
                except BlockingIOError:
                    pass
                except OSError:
                    # What has come before counts.
                    while self.read():
                        pass
                    self.is_over = True
                if 0 < chop < 64:
                    time.sleep(0.0001)

    def frame(self, opcode, payload=b"", fin=True, rsv=0, chop=0, masked=True):
        self.send(frame(opcode, payload, fin, rsv, masked), chop)
        self.frames_sent += 1

    def fragments(self, opcode, payload, size, rsv=0, chop=0):
        """Sends a message in frames of this size."""
        pieces = [payload[at:at + size] for at in range(0, len(payload), size)] or [b""]
        sent = bytearray()
        for number, piece in enumerate(pieces):
            is_first, is_last = number == 0, number == len(pieces) - 1
            sent += frame(opcode if is_first else CONTINUATION, piece, is_last, rsv if is_first else 0)
        self.send(sent, chop)
        self.frames_sent += len(pieces)

    def compressed(self, opcode, payload, size=0):
        payload = self.deflate.compress(payload)
        self.fragments(opcode, payload, size or max(len(payload), 1), rsv=4)

    def close(self, code=1000, reason=b""):
        self.frame(CLOSE, code.to_bytes(2, "big") + reason if code else reason)

    def read(self):
        """Reads what is there. Returns False if that is nothing."""
        try:
            data = self.socket.recv(1 << 18)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        self.buffer += data
        self.is_over = self.is_over or not data
        return bool(data)

    def wait(self, end):
        """Waits until something comes. Returns False if nothing has come in time."""
        left = end - time.monotonic()
        if left <= 0 or not select.select([self.socket], [], [], left)[0]:
            return False
        self.read()
        return True

    def next(self, patience=None):
        """Returns what comes next: ("text", bytes), ("pong", bytes), ("close", code or None, reason), ("end",), and None
        if nothing comes in time."""
        end = time.monotonic() + (patience or self.patience)
        while True:
            while (event := self.take_frame()) is not None:
                if event[0] == "ping":
                    self.frame(PONG, event[1])
                elif event != ():
                    return event
            if self.is_over:
                return ("end",)
            if not self.wait(end):
                return None

    def take_frame(self):
        """Takes a frame from what has been read. Returns () if that is a fragment, and None if it is not complete."""
        data = self.buffer
        if len(data) < 2:
            return None
        fin, rsv, opcode, masked, length = data[0] >> 7, data[0] >> 4 & 7, data[0] & 15, data[1] >> 7, data[1] & 127
        begin = {126: 4, 127: 10}.get(length, 2)
        if len(data) < begin:
            return None
        if length > 125:
            short, length = length, int.from_bytes(data[2:begin], "big")
            if length < {126: 126, 127: 1 << 16}[short]:
                raise Wrong(f"a length of {length} has more bytes than it needs")
        if masked:
            raise Wrong("the frame of a server is masked")
        if len(data) < begin + length:
            return None
        payload = bytes(data[begin:begin + length])
        del data[:begin + length]
        if opcode >= 8:
            return self.control(opcode, payload, fin, rsv)
        return self.fragment(opcode, payload, fin, rsv)

    def control(self, opcode, payload, fin, rsv):
        if opcode not in (CLOSE, PING, PONG) or not fin or rsv or len(payload) > 125:
            raise Wrong(f"a control frame with opcode {opcode}, FIN {fin}, RSV {rsv} and {len(payload)} bytes")
        if opcode != CLOSE:
            return NAMES[opcode], payload
        if not payload:
            return "close", None, b""
        code = int.from_bytes(payload[:2], "big")
        if len(payload) == 1 or code not in CODES:
            raise Wrong(f"a close frame with the payload {payload}")
        payload[2:].decode()
        return "close", code, payload[2:]

    def fragment(self, opcode, payload, fin, rsv):
        if (opcode == CONTINUATION) != (self.message is not None) or opcode not in (CONTINUATION, TEXT, BINARY):
            raise Wrong(f"a frame with opcode {opcode} {'within' if self.message else 'outside'} a message")
        if rsv & 3 or rsv and (opcode == CONTINUATION or not self.deflate):
            raise Wrong(f"a frame with opcode {opcode} and RSV {rsv}")
        kind, is_compressed, content = self.message or (opcode, bool(rsv), bytearray())
        content += payload
        self.message = None if fin else (kind, is_compressed, content)
        if not fin:
            return ()
        if is_compressed:
            try:
                content = self.deflate.decompress(bytes(content))
            except zlib.error as error:
                raise Wrong(f"a message cannot be decompressed: {error}") from None
        if kind == TEXT:
            try:
                content.decode()
            except UnicodeDecodeError:
                raise Wrong("a text is not UTF-8") from None
        return NAMES[kind], bytes(content)


def frame(opcode, payload=b"", fin=True, rsv=0, masked=True, length_bytes=None):
    """Returns the bytes of a frame."""
    size = len(payload)
    length_bytes = (0 if size < 126 else 2 if size < 1 << 16 else 8) if length_bytes is None else length_bytes
    short = {0: size, 2: 126, 8: 127}[length_bytes]
    head = bytes([fin << 7 | rsv << 4 | opcode, masked << 7 | short])
    head += size.to_bytes(length_bytes, "big") if length_bytes else b""
    if not masked:
        return head + payload
    mask = os.urandom(4)
    return head + mask + mask_with(mask, payload)


def mask_with(mask, payload):
    """All at once, as one number."""
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")


class Deflate:
    """The terms of permessage-deflate that a server has accepted."""

    def __init__(self, server_window, server_forgets, client_window, client_forgets):
        self.server_window, self.server_forgets = server_window, server_forgets
        self.client_window, self.client_forgets = client_window, client_forgets
        self.compressor = self.decompressor = None

    @classmethod
    def of(cls, response, offers):
        """Checks a response (RFC 7692 §7.1). Returns None if nothing is accepted."""
        if not response:
            return None
        offered = [parameters(offer) for offer in offers]
        name, *rest = response.split(";")
        if name.strip() != "permessage-deflate" or "," in response or not offers:
            raise Wrong(f"what was not offered is accepted: {response}")
        accepted = parameters(response)
        unknown = set(accepted) - {"server_max_window_bits", "server_no_context_takeover", "client_max_window_bits", "client_no_context_takeover"}
        if unknown or len(accepted) != len(rest):
            raise Wrong(f"the response has parameters that it must not have: {response}")
        windows = {name: int(accepted.get(name, 15)) for name in ("server_max_window_bits", "client_max_window_bits")}
        if any(not 8 <= bits <= 15 for bits in windows.values()):
            raise Wrong(f"the response has a window that there is not: {response}")

        def fits(offer):
            demanded = int(offer.get("server_max_window_bits") or 15)
            return (
                ("server_max_window_bits" not in offer or "server_max_window_bits" in accepted)
                and windows["server_max_window_bits"] <= demanded
                and ("server_no_context_takeover" not in offer or "server_no_context_takeover" in accepted)
                and ("client_max_window_bits" not in accepted or "client_max_window_bits" in offer)
            )

        if not any(map(fits, offered)):
            raise Wrong(f"the response is to no offer: {response}")
        return cls(
            windows["server_max_window_bits"], "server_no_context_takeover" in accepted,
            windows["client_max_window_bits"], "client_no_context_takeover" in accepted,
        )

    def compress(self, payload):
        if self.compressor is None or self.client_forgets:
            # zlib has no window of 8 bits.
            self.compressor = zlib.compressobj(wbits=-max(self.client_window, 9))
        return (self.compressor.compress(payload) + self.compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]

    def decompress(self, payload):
        if self.decompressor is None or self.server_forgets:
            self.decompressor = zlib.decompressobj(wbits=-self.server_window)
        return self.decompressor.decompress(payload + b"\0\0\xff\xff")


def parameters(extension):
    pairs = (part.strip().partition("=") for part in extension.split(";")[1:])
    return {name: value.strip('"') for name, _, value in pairs}
