#!/usr/bin/env python3
"""A server that echoes every message of a WebSocket, for `run_websocket.py --self-test`.

    websocket_server.py [MISTAKE...]

Prints its URL. Without a mistake it is as it should be; `run_websocket.py` lists the mistakes. Standard library only."""

import base64
import codecs
import hashlib
import os
import socketserver
import sys
import zlib

from websocket_client import BINARY, CLOSE, CODES, CONTINUATION, PING, PONG, TEXT, frame, mask_with

MISTAKES = set(sys.argv[1:])


class Failed(Exception):
    """The connection must be failed with this code."""


class Connection(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def handle(self):
        try:
            if self.handshake():
                self.converse()
        except (OSError, EOFError):
            pass

    def handshake(self):
        line, fields = self.rfile.readline().decode(), {}
        while (field := self.rfile.readline().decode().strip()):
            name, _, value = field.partition(":")
            fields[name.lower()] = value.strip()
        try:
            is_key = len(base64.b64decode(fields.get("sec-websocket-key", ""), validate=True)) == 16
        except ValueError:
            is_key = False
        if fields.get("sec-websocket-version") != "13" or "websocket" not in fields.get("upgrade", "").lower():
            self.wfile.write(b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nContent-Length: 0\r\n\r\n")
            return False
        offers = [offer.strip() for offer in fields.get("sec-websocket-extensions", "").split(",")]
        if not is_key or not line.startswith("GET ") or any(not part.strip() for offer in offers if offer for part in offer.split(";")):
            self.wfile.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            return False
        accept = base64.b64encode(hashlib.sha1(f"{fields['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest())
        head = f"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept.decode()}\r\n"
        self.is_compressing, self.window = offers[0].startswith("permessage-deflate"), 15
        self.forgets, self.compressor = "server_no_context_takeover" in offers[0], None
        if self.is_compressing:
            head += "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover"
            if self.forgets:
                head += "; server_no_context_takeover"
            if "server_max_window_bits=" in offers[0]:
                self.window = int(offers[0].split("server_max_window_bits=")[1].split(";")[0])
                head += f"; server_max_window_bits={self.window}"
            head += "\r\n"
        self.wfile.write(head.encode() + b"\r\n")
        return True

    def converse(self):
        try:
            while self.take_frame():
                pass
        except Failed as failure:
            self.answer(CLOSE, failure.args[0].to_bytes(2, "big"))
        self.connection.shutdown(1)
        # What still comes is read, because unread bytes would reset the connection.
        self.connection.settimeout(5)
        while self.connection.recv(1 << 16):
            pass

    message, is_over, pongs = None, False, ()

    def take_frame(self):
        """Returns False after a close frame."""
        first, second = self.exactly(2)
        fin, rsv, opcode, length = first >> 7, first >> 4 & 7, first & 15, second & 127
        is_control = opcode >= 8
        if opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
            raise Failed(1002)
        if rsv & 3 or rsv and (not self.is_compressing or opcode not in (TEXT, BINARY)):
            if "reserved-bits" not in MISTAKES:
                raise Failed(1002)
            rsv = 0
        if is_control and not fin and "fragmented-control" not in MISTAKES:
            raise Failed(1002)
        if is_control and length > 125 and "long-control" not in MISTAKES:
            raise Failed(1002)
        if length > 125:
            size = {126: 2, 127: 8}[length]
            length = int.from_bytes(self.exactly(size), "big")
            if length < {2: 126, 8: 1 << 16}[size] or length >> 63:
                raise Failed(1002)
        if not second >> 7 and "unmasked" not in MISTAKES:
            raise Failed(1002)
        mask = self.exactly(4) if second >> 7 else b"\0\0\0\0"
        if is_control:
            return self.control(opcode, mask_with(mask, self.exactly(length)))
        self.data(opcode, fin, rsv, mask, length)
        return True

    def exactly(self, length):
        data = self.rfile.read(length)
        if len(data) < length:
            raise EOFError
        return data

    def control(self, opcode, payload):
        if opcode == PING and "late-pongs" in MISTAKES and self.message:
            self.pongs = (*self.pongs, payload)
        elif opcode == PING:
            self.answer(PONG, b"" if "empty-pongs" in MISTAKES else payload)
        if opcode != CLOSE:
            return True
        code = int.from_bytes(payload[:2], "big")
        if payload and "any-code" not in MISTAKES and (len(payload) == 1 or code not in CODES):
            raise Failed(1002)
        try:
            payload[2:].decode()
        except UnicodeDecodeError:
            raise Failed(1007) from None
        if "pong-after-close" in MISTAKES:
            self.answer(PONG, b"")
        if "no-close" not in MISTAKES:
            self.answer(CLOSE, b"\x03\xea" if "another-code" in MISTAKES else payload[:2])
        return False

    def data(self, opcode, fin, rsv, mask, length):
        if (opcode == CONTINUATION) != (self.message is not None):
            if "lone-continuation" not in MISTAKES or opcode != CONTINUATION:
                raise Failed(1002)
            opcode = TEXT
        kind, is_compressed, content, decoder = self.message or (
            opcode, bool(rsv), bytearray(), codecs.getincrementaldecoder("utf-8")())
        self.message = (kind, is_compressed, content, decoder)
        is_checked = kind == TEXT and not is_compressed and not ("utf-8-of-fragments" in MISTAKES and (not fin or content))
        at = 0
        # As it arrives: a wrong byte is not waited behind.
        while at < length or at == length == 0:
            piece = self.rfile.read1(min(length - at, 1 << 16)) if length else b""
            if length and not piece:
                raise EOFError
            piece = mask_with((mask * 2)[at % 4:at % 4 + 4], piece)
            content += piece
            at += len(piece)
            try:
                if is_checked:
                    decoder.decode(piece, bool(fin) and at == length)
            except UnicodeDecodeError:
                raise Failed(1007) from None
            if not length:
                break
        if fin:
            self.message = None
            self.echo(kind, is_compressed, bytes(content))

    def echo(self, kind, is_compressed, content):
        if is_compressed:
            try:
                decompressor, sent = zlib.decompressobj(-15), content + b"\0\0\xff\xff"
                content = decompressor.decompress(sent)
                if decompressor.eof:
                    content += zlib.decompressobj(-15).decompress(decompressor.unused_data)
                if kind == TEXT and "no-utf-8-when-compressed" not in MISTAKES:
                    content.decode()
            except (zlib.error, UnicodeDecodeError):
                raise Failed(1007) from None
        if "cut-at-64k" in MISTAKES:
            content = content[:65535]
        rsv = 0
        if is_compressed:
            if self.compressor is None or self.forgets and "window-kept" not in MISTAKES:
                window = 15 if "large-window" in MISTAKES else max(self.window, 9)
                self.compressor = zlib.compressobj(wbits=-window)
            content, rsv = (self.compressor.compress(content) + self.compressor.flush(zlib.Z_SYNC_FLUSH))[:-4], 4
        self.answer(kind, content, rsv)
        for payload in self.pongs:
            self.answer(PONG, payload)
        self.pongs = ()

    def answer(self, opcode, payload, rsv=0):
        self.wfile.write(frame(opcode, payload, rsv=rsv, masked="masked-answers" in MISTAKES))


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address, daemon_threads, request_queue_size = True, True, 1024


if __name__ == "__main__":
    with Server(("127.0.0.1", int(os.environ.get("PORT", 0))), Connection) as server:
        print(f"ws://127.0.0.1:{server.server_address[1]}/", flush=True)
        server.serve_forever()
