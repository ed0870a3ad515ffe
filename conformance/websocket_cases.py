"""The cases: a number, what is done, and what must come of it.

Those from 1 to 13 have the numbers of Autobahn's, and do what its list says. Those from 0.1 are ours: what RFC 6455 and 7692
require, and the list leaves out. A case returns nothing if all is well, or a remark where the RFC permits what was seen but
another behaviour is better; it raises `Wrong` if it has failed, and `Unimplemented` if compression is declined."""

import random

from websocket_client import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Socket, Wrong, frame

HELLO = "Hello, world!".encode()
NOT_TEXT = b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"
KOSME = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"
MI = 1 << 20


class Unimplemented(Exception):
    """The server does not speak the extension."""


class Run:
    """What is the same for all cases of a run."""

    def __init__(self, url, messages, patience):
        self.url, self.messages, self.patience = url, messages, patience

    def open(self, *offers):
        return Socket(self.url, offers, self.patience)


# What must come.

def expect(peer, *events, patience=None):
    for event in events:
        came = peer.next(patience)
        if came != event:
            raise Wrong(f"{brief(came)} instead of {brief(event)}")


def closes(peer, *codes):
    """We have closed: a close frame with one of these codes, or with none, and the end of the connection must come."""
    came = peer.next()
    if came is None or came[0] != "close" or came[1] not in (None, *codes):
        raise Wrong(f"{brief(came)} instead of a close frame with {codes}")
    ends(peer)


def ends(peer):
    # RFC 6455 §7.1.1: a server "MUST close the underlying TCP connection immediately".
    if (came := peer.next(5)) != ("end",):
        raise Wrong(f"{brief(came)} instead of the end of the connection")


def clean(peer, *events):
    """These events, then we close, and the server does so, too."""
    expect(peer, *events)
    peer.close(1000)
    closes(peer, 1000)


def fails(peer, *codes, before=()):
    """The server fails the connection by itself, after these events."""
    events = []
    while (came := peer.next()) is not None and came[0] not in ("close", "end"):
        events.append(came)
    if came is None:
        raise Wrong("the connection is not failed")
    if events not in ([], list(before)):
        raise Wrong(f"{', '.join(map(brief, events))} before it is failed")
    if came == ("end",):
        return "without a close frame"
    if came[1] not in codes:
        raise Wrong(f"{brief(came)} instead of one with {codes}")
    peer.close(came[1])
    ends(peer)
    return "at once, before what was complete is answered" if events != list(before) else None


def brief(event):
    return "nothing" if event is None else str(event)[:70]


# The cases.

def all_cases():
    """Yields number, description and function."""
    for part in (ours, framing, pings, reserved_bits, opcodes, fragments, utf_8, closing, limits, compression):
        yield from part()


def ours():
    def refused(statuses, header=None, line="GET PATH HTTP/1.1", **changes):
        def run(run):
            fields = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
                      "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", **changes}
            sent = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items() if value is not None]
            status, headers = Socket.refused(run.url, line, sent, run.patience)
            if status not in statuses:
                raise Wrong(f"answered with {status}")
            if header and header not in headers:
                return f"no {header}"
        return run

    version, key = "Sec-WebSocket-Version", "Sec-WebSocket-Key"
    yield "0.1.1", "a handshake of version 12", refused({400, 426}, version.lower(), **{version: "12"})
    yield "0.1.2", "a handshake without a key", refused({400}, **{key: None})
    yield "0.1.3", "a handshake with a short key", refused({400}, **{key: "c2hvcnQ="})
    yield "0.1.4", "a request without Upgrade", refused({200, 204, 400, 404, 426}, Upgrade=None)
    yield "0.1.5", "a handshake by POST", refused({400, 404, 405}, line="POST PATH HTTP/1.1")
    yield "0.1.6", "extensions that are no list", refused({400, 101}, **{"Sec-WebSocket-Extensions": "permessage-deflate; ;"})

    def unmasked(before):
        def run(run):
            peer = run.open()
            events = [("text", HELLO)] * before
            for _ in events:
                peer.frame(TEXT, HELLO)
            peer.frame(TEXT, HELLO, masked=False)
            return fails(peer, 1002, before=events)
        return run

    yield "0.2.1", "a frame that is not masked", unmasked(0)
    yield "0.2.2", "one that is, and one that is not", unmasked(1)

    def long(length_bytes):
        def run(run):
            peer = run.open()
            peer.send(frame(TEXT, b"Hello", length_bytes=length_bytes))
            came = peer.next()
            # A sender must not do so; a receiver may accept it.
            return "accepted" if came == ("text", b"Hello") else fails(Again(peer, came), 1002)
        return run

    yield "0.3.1", "a length of 5 in two bytes", long(2)
    yield "0.3.2", "a length of 5 in eight bytes", long(8)

    def endless(run):
        peer = run.open()
        peer.send(b"\x82\xff\x80\0\0\0\0\0\0\0abcd")
        came = peer.next(2)
        return "waits for all of it" if came is None else fails(Again(peer, came), 1002, 1009)

    yield "0.3.3", "a length of 64 bits", endless

    def bits(*frames):
        def run(run):
            peer = compressing(run)
            for opcode, payload, fin, rsv in frames:
                peer.frame(opcode, payload, fin, rsv)
            return fails(peer, 1002)
        return run

    hello = b"\xf2\x48\xcd\xc9\xc9\x07\x00"
    yield "0.4.1", "RSV1 on a continuation", bits((TEXT, hello[:3], False, 4), (CONTINUATION, hello[3:], True, 4))
    yield "0.4.2", "RSV1 on a ping", bits((PING, b"", True, 4))
    yield "0.4.3", "RSV2 on a compressed message", bits((TEXT, hello, True, 6))

    def deflated(*payloads, codes=(), expected=b"Hello"):
        def run(run):
            peer = compressing(run)
            for payload in payloads:
                peer.frame(TEXT, payload, rsv=4)
                if codes:
                    return fails(peer, *codes)
                expect(peer, ("text", expected))
            return clean(peer)
        return run

    yield "0.5.1", "the examples of RFC 7692 §7.2.3", deflated(
        hello, b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00")
    yield "0.5.2", "a message with BFINAL", deflated(b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00")
    yield "0.5.3", "an empty message", deflated(b"\x00", expected=b"")
    yield "0.5.4", "what cannot be decompressed", deflated(b"\x07\xff\xff", codes=(1002, 1007))
    yield "0.5.5", "what is not UTF-8 when it is decompressed", deflated(
        b"\x00\x02\x00\xfd\xff\xc3\x28\x00", codes=(1007,))

    def plain(run):
        peer = compressing(run)
        peer.frame(TEXT, HELLO)
        clean(peer, ("text", HELLO))

    yield "0.5.6", "a message that is not compressed, although it could be", plain


def framing():
    for group, opcode, kind, byte in ((1, TEXT, "text", b"*"), (2, BINARY, "binary", b"\xfe")):
        sizes = [0, 125, 126, 127, 128, 65535, 65536, 65536]
        for number, size in enumerate(sizes, 1):
            chop = 997 if number == 8 else 0

            def run(run, opcode=opcode, kind=kind, payload=byte * size, chop=chop):
                peer = run.open()
                peer.frame(opcode, payload, chop=chop)
                clean(peer, (kind, payload))

            yield f"1.{group}.{number}", f"{kind} of {size} bytes" + f", in pieces of {chop}" * bool(chop), run


def pings():
    def pong(payload, chop=0):
        def run(run):
            peer = run.open()
            peer.frame(PING, payload, chop=chop)
            clean(peer, ("pong", payload))
        return run

    yield "2.1", "a ping without payload", pong(b"")
    yield "2.2", "a ping with text", pong(HELLO)
    yield "2.3", "a ping with bytes", pong(NOT_TEXT)
    yield "2.4", "a ping of 125 bytes", pong(b"\xfe" * 125)

    def long(run):
        peer = run.open()
        peer.frame(PING, b"\xfe" * 126)
        return fails(peer, 1002)

    yield "2.5", "a ping of 126 bytes", long
    yield "2.6", "a ping of 125 bytes, byte by byte", pong(b"\xfe" * 125, chop=1)

    def unsolicited(payload, ping=None):
        def run(run):
            peer = run.open()
            peer.frame(PONG, payload)
            if ping:
                peer.frame(PING, ping)
            clean(peer, *[("pong", ping)] * bool(ping))
        return run

    yield "2.7", "a pong that nobody has asked for", unsolicited(b"")
    yield "2.8", "the same, with payload", unsolicited(b"unsolicited pong payload")
    yield "2.9", "the same, and a ping", unsolicited(b"unsolicited pong payload", b"ping payload")

    def ten(chop):
        def run(run):
            peer = run.open()
            payloads = [f"payload-{number}".encode() for number in range(10)]
            for payload in payloads:
                peer.frame(PING, payload, chop=chop)
            clean(peer, *[("pong", payload) for payload in payloads])
        return run

    yield "2.10", "ten pings", ten(0)
    yield "2.11", "ten pings, byte by byte", ten(1)


def wrong_frame(opcode, payload=b"", rsv=0, after_hello=True, chop=0):
    def run(run):
        peer = run.open()
        before = [("text", HELLO)] * after_hello
        for _ in before:
            peer.frame(TEXT, HELLO, chop=chop)
        peer.frame(opcode, payload, rsv=rsv, chop=chop)
        if after_hello:
            peer.frame(PING, chop=chop)
        return fails(peer, 1002, before=before)
    return run


def reserved_bits():
    yield "3.1", "a text with RSV 1", wrong_frame(TEXT, HELLO, 1, after_hello=False)
    for number, chop in ((2, 0), (3, 0), (4, 1)):
        yield f"3.{number}", f"a text, one with RSV {number}, a ping", wrong_frame(TEXT, HELLO, number, chop=chop)
    yield "3.5", "bytes with RSV 5", wrong_frame(BINARY, NOT_TEXT, 5, after_hello=False)
    yield "3.6", "bytes with RSV 6", wrong_frame(BINARY, HELLO, 6, after_hello=False)
    yield "3.7", "a close with RSV 7", wrong_frame(CLOSE, b"", 7, after_hello=False)


def opcodes():
    for group, first in ((1, 3), (2, 11)):
        for number in range(1, 6):
            payload = HELLO if number in (2, 4, 5) else b""
            case = wrong_frame(first + number - 1, payload, after_hello=number > 2, chop=number == 5)
            yield f"4.{group}.{number}", f"a frame with opcode {first + number - 1}", case


def fragments():
    def sent(peer, frames, how):
        """In one piece, a frame at a time, or a byte at a time."""
        if how == "frames":
            for one in frames:
                peer.send(frame(*one))
        else:
            peer.send(b"".join(frame(*one) for one in frames), chop=how == "bytes")

    def failing(*frames, how="whole", before=()):
        def run(run):
            peer = run.open()
            sent(peer, frames, how)
            return fails(peer, 1002, before=before)
        return run

    def passing(*frames, how="whole", expected):
        def run(run):
            peer = run.open()
            sent(peer, frames, how)
            clean(peer, *expected)
        return run

    one, two, three, four = (f"fragment{number}".encode() for number in range(1, 5))
    message = ("text", one + two)
    ways = ("whole", "frames", "bytes")
    yield "5.1", "a ping in two fragments", failing((PING, one, False), (CONTINUATION, two))
    yield "5.2", "a pong in two fragments", failing((PONG, one, False), (CONTINUATION, two))
    for number, how in enumerate(ways, 3):
        yield f"5.{number}", f"a text in two fragments, {how}", passing(
            (TEXT, one, False), (CONTINUATION, two), how=how, expected=[message])
    for number, how in enumerate(ways, 6):
        yield f"5.{number}", f"the same with a ping between, {how}", passing(
            (TEXT, one, False), (PING, b"ping payload"), (CONTINUATION, two), how=how,
            expected=[("pong", b"ping payload"), message])
    for first, fin in ((9, True), (12, False)):
        for number, how in enumerate(ways, first):
            yield f"5.{number}", f"a continuation of nothing, FIN {fin}, then a text, {how}", failing(
                (CONTINUATION, b"non-continuation payload", fin), (TEXT, HELLO), how=how)
    yield "5.15", "a text in two fragments, and a continuation of nothing", failing(
        (TEXT, one, False), (CONTINUATION, two), (CONTINUATION, three, False), (TEXT, four), before=[message])
    for number, fin in ((16, False), (17, True)):
        part = [(CONTINUATION, one, fin), (TEXT, two, False), (CONTINUATION, three)]
        yield f"5.{number}", f"twice a continuation of nothing, FIN {fin}, and a text in two fragments", failing(*part, *part)
    yield "5.18", "a text in two fragments that both begin one", failing((TEXT, one, False), (TEXT, two))

    def pings_between(how):
        def run(run):
            peer = run.open()
            sent(peer, [(TEXT, one, False), (CONTINUATION, two, False), (PING, b"pongme 1!")], how)
            # Before the message is complete.
            expect(peer, ("pong", b"pongme 1!"), patience=5)
            sent(peer, [(CONTINUATION, three, False), (CONTINUATION, four, False), (PING, b"pongme 2!"),
                        (CONTINUATION, b"fragment5")], how)
            clean(peer, ("pong", b"pongme 2!"), ("text", one + two + three + four + b"fragment5"))
        return run

    yield "5.19", "a text in five fragments, with two pings and a pause", pings_between("whole")
    yield "5.20", "the same, a frame at a time", pings_between("frames")


def utf_8():
    def text(*parts, size=0):
        def run(run):
            peer = run.open()
            if size:
                peer.fragments(TEXT, parts[0], size)
            else:
                for number, part in enumerate(parts):
                    peer.frame(CONTINUATION if number else TEXT, part, fin=number == len(parts) - 1)
            clean(peer, ("text", b"".join(parts)))
        return run

    def invalid(payload, size=0):
        def run(run):
            peer = run.open()
            peer.fragments(TEXT, payload, size or len(payload))
            return fails(peer, 1007)
        return run

    accents = "Hello-µ@ßöäüàá-UTF-8!!"
    yield "6.1.1", "an empty text", text(b"")
    yield "6.1.2", "an empty text in three fragments", text(b"", b"", b"")
    yield "6.1.3", "a text between two empty fragments", text(b"", b"middle frame payload", b"")
    yield "6.2.1", "a text with accents", text(accents.encode())
    yield "6.2.2", "the same, cut between characters", text(accents[:11].encode(), accents[11:].encode())
    yield "6.2.3", "the same, in fragments of one byte", text(accents.encode(), size=1)
    yield "6.2.4", "a text of characters of several bytes, in fragments of one byte", text(KOSME, size=1)
    wrong = KOSME + b"\xed\xa0\x80" + b"edited"
    yield "6.3.1", "a text with half a surrogate pair", invalid(wrong)
    yield "6.3.2", "the same, in fragments of one byte", invalid(wrong, size=1)

    def fast(parts, in_one_frame):
        def run(run):
            peer = run.open()
            sent = [frame(CONTINUATION if number else TEXT, part, number == 2) for number, part in enumerate(parts)]
            if in_one_frame:
                whole, at = frame(TEXT, b"".join(parts)), -sum(map(len, parts))
                middle = at + len(parts[0])
                sent = [whole[:middle], whole[middle:middle + len(parts[1])], whole[middle + len(parts[1]):]]
            peer.send(sent[0])
            if came := peer.next(0.3):
                raise Wrong(f"{brief(came)} after what is right")
            peer.send(sent[1])
            if came := peer.next(1):
                return fails(Again(peer, came), 1007)
            peer.send(sent[2])
            return fails(peer, 1007) or "not before the message is complete"
        return run

    wrong = KOSME + b"\xf4\x90\x80\x80" + b"edited"
    three, by_byte = [KOSME, b"\xf4\x90\x80\x80", b"edited"], [wrong[:12], wrong[12:13], wrong[13:]]
    yield "6.4.1", "a text whose second fragment is not UTF-8", fast(three, False)
    yield "6.4.2", "the same, where it ends with the first wrong byte", fast(by_byte, False)
    yield "6.4.3", "a text whose second third is not UTF-8", fast(three, True)
    yield "6.4.4", "the same, where it ends with the first wrong byte", fast(by_byte, True)

    for group, sequences in enumerate(utf_8_sequences(), 5):
        for number, sequence in enumerate(sequences, 1):
            try:
                sequence.decode()
                yield f"6.{group}.{number}", f"the text {sequence.hex()}", text(sequence)
            except UnicodeDecodeError:
                yield f"6.{group}.{number}", f"{sequence[:20].hex()}, which is not UTF-8", invalid(sequence)


class Again:
    """A connection from which an event has been taken too early."""

    def __init__(self, peer, event):
        self.peer, self.event = peer, event

    def next(self, patience=None):
        event, self.event = self.event, None
        return self.peer.next(patience) if event is None else event

    def close(self, code):
        self.peer.close(code)


def utf_8_sequences():
    """Yields the sequences of 6.5 to 6.23, after Markus Kuhn's "UTF-8 decoder capability and stress test"."""
    yield [b"hello\x24world", b"hello\xc2\xa2world", b"hello\xe2\x82\xacworld", b"hello\xf0\xa4\xad\xa2world", KOSME]
    yield [KOSME[:end] for end in range(1, len(KOSME) + 1)]
    yield [b"\x00", b"\xc2\x80", b"\xe0\xa0\x80", b"\xf0\x90\x80\x80"]
    yield [b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80"]
    yield [b"\x7f", b"\xdf\xbf", b"\xef\xbf\xbf", b"\xf4\x8f\xbf\xbf"]
    yield [b"\xf7\xbf\xbf\xbf", b"\xfb\xbf\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf\xbf"]
    yield [b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xef\xbf\xbd", b"\xf4\x8f\xbf\xbf", b"\xf4\x90\x80\x80"]
    yield [b"\x80", b"\xbf", *((b"\x80\xbf" * 3)[:size] for size in range(2, 7)), bytes(range(0x80, 0xbf))]
    starts = [(0xc0, 0xdf), (0xe0, 0xef), (0xf0, 0xf7), (0xf8, 0xfb), (0xfc, 0xfd)]
    yield [b"".join(bytes([byte, 0x20]) for byte in range(*start)) for start in starts]
    missing = [b"\xc0", b"\xe0\x80", b"\xf0\x80\x80", b"\xf8\x80\x80\x80", b"\xfc\x80\x80\x80\x80",
               b"\xdf", b"\xef\xbf", b"\xf7\xbf\xbf", b"\xfb\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf"]
    yield missing
    yield [b"".join(missing)]
    yield [b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"]
    yield [b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xf8\x80\x80\x80\xaf", b"\xfc\x80\x80\x80\x80\xaf"]
    yield [b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf", b"\xf8\x87\xbf\xbf\xbf", b"\xfc\x83\xbf\xbf\xbf\xbf"]
    yield [b"\xc0\x80", b"\xe0\x80\x80", b"\xf0\x80\x80\x80", b"\xf8\x80\x80\x80\x80", b"\xfc\x80\x80\x80\x80\x80"]
    yield [b"\xed" + end for end in (b"\xa0\x80", b"\xad\xbf", b"\xae\x80", b"\xaf\xbf", b"\xb0\x80", b"\xbe\x80", b"\xbf\xbf")]
    yield [b"\xed" + high + b"\xed" + low for high in (b"\xa0\x80", b"\xad\xbf", b"\xae\x80", b"\xaf\xbf")
           for low in (b"\xb0\x80", b"\xbf\xbf")]
    planes = [chr(plane << 16 | 0xfffe | last).encode() for plane in range(1, 17) for last in (0, 1)]
    yield [b"\xef\xbf\xbe", b"\xef\xbf\xbf", *planes]
    yield [chr(code).encode() for code in range(0xfff9, 0x10000)]


def closing():
    def after_message(run):
        peer = run.open()
        peer.frame(TEXT, HELLO)
        clean(peer, ("text", HELLO))

    def followed(*frames, before=()):
        def run(run):
            peer = run.open()
            for one in before:
                peer.frame(*one)
            peer.close(1000)
            for one in frames:
                peer.frame(*one)
            closes(peer, 1000)
        return run

    def reply(payload, *codes):
        def run(run):
            peer = run.open()
            peer.frame(CLOSE, payload)
            closes(peer, *codes)
        return run

    def refusal(payload, *codes):
        def run(run):
            peer = run.open()
            peer.frame(CLOSE, payload)
            return fails(peer, *codes)
        return run

    normal = (1000).to_bytes(2, "big")
    yield "7.1.1", "a message, then a close", after_message
    yield "7.1.2", "two closes", followed((CLOSE, b""))
    yield "7.1.3", "a ping after the close", followed((PING, b""))
    yield "7.1.4", "a text after the close", followed((TEXT, HELLO))
    yield "7.1.5", "a close between two fragments", followed((CONTINUATION, b"fragment2"), before=[(TEXT, b"fragment1", False)])

    def large(run):
        peer = run.open()
        payload = (b"BAsd7&jh23" * 30000)[: 256 << 10]
        for one in ((TEXT, payload), (TEXT, HELLO), (CLOSE, normal), (PING, b"")):
            peer.frame(*one)
        events = []
        while (came := peer.next()) and came[0] == "text":
            events.append(came)
        if events != [("text", payload), ("text", HELLO)][: len(events)] or came is None or came[:2] not in (("close", 1000), ("close", None)):
            raise Wrong(brief(came))
        ends(peer)
        return None if len(events) == 2 else "closes before all is answered"

    yield "7.1.6", "256 KiB, a text, a close, a ping", large
    yield "7.3.1", "a close without a code", reply(b"", 1000)
    yield "7.3.2", "a close of one byte", refusal(b"a", 1002)
    yield "7.3.3", "a close with a code", reply(normal, 1000)
    yield "7.3.4", "a close with a reason", reply(normal + HELLO, 1000)
    yield "7.3.5", "a close with the longest reason", reply(normal + b"*" * 123, 1000)
    yield "7.3.6", "a close with a reason that is too long", refusal(normal + b"*" * 124, 1002)
    yield "7.5.1", "a close with a reason that is not UTF-8", refusal(normal + KOSME + b"\xed\xa0\x80edited", 1002, 1007)
    for number, code in enumerate((1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999), 1):
        yield f"7.7.{number}", f"the code {code}", reply(code.to_bytes(2, "big"), 1000, code)
    for number, code in enumerate((0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999), 1):
        yield f"7.9.{number}", f"the code {code}, which may not be sent", refusal(code.to_bytes(2, "big"), 1002)
    for number, code in enumerate((5000, 65535), 1):
        yield f"7.13.{number}", f"the code {code}, of which nothing is said", refusal(code.to_bytes(2, "big"), 1000, 1002)


def limits():
    kinds = ((TEXT, "text", b"BAsd7&jh23", b"*"), (BINARY, "binary", b"\x00\xfe\x23\xfa\xf0", b"\xfe"))

    def one(opcode, kind, payload, fragment=0, chop=0):
        def run(run):
            peer = run.open()
            peer.patience = 100
            if fragment:
                peer.fragments(opcode, payload, fragment)
            else:
                peer.frame(opcode, payload, chop=chop)
            clean(peer, (kind, payload))
        return run

    def filled(pattern, size):
        return (pattern * (size // len(pattern) + 1))[:size]

    for group, (opcode, kind, pattern, _) in enumerate(kinds, 1):
        for number, size in enumerate((MI // 16, MI // 4, MI, 4 * MI, 8 * MI, 16 * MI), 1):
            yield f"9.{group}.{number}", f"{kind} of {size >> 10} KiB", one(opcode, kind, filled(pattern, size))
    for group, (opcode, kind, _, byte) in enumerate(kinds, 3):
        for number in range(9):
            size = 64 << 2 * number
            yield f"9.{group}.{number + 1}", f"{kind} of 4 MiB in fragments of {size}", one(opcode, kind, byte * 4 * MI, size)
    for group, (opcode, kind, pattern, _) in enumerate(kinds, 5):
        for number in range(6):
            chop = 64 << number
            yield f"9.{group}.{number + 1}", f"{kind} of 1 MiB in pieces of {chop}", one(opcode, kind, filled(pattern, MI), chop=chop)

    def round_trips(opcode, kind, payload):
        def run(run):
            peer = run.open()
            for _ in range(run.messages):
                peer.frame(opcode, payload)
                expect(peer, (kind, payload))
            clean(peer)
        return run

    for group, (opcode, kind, _, byte) in enumerate(kinds, 7):
        for number, size in enumerate((0, 16, 64, 256, 1024, 4096), 1):
            yield f"9.{group}.{number}", f"{kind} of {size} bytes, one after the other", round_trips(opcode, kind, byte * size)

    def automatic(run):
        peer = run.open()
        payload = b"*" * 65536
        peer.fragments(TEXT, payload, 1300)
        if peer.frames_sent != 51:
            raise AssertionError("there are 51 fragments")
        clean(peer, ("text", payload))

    yield "10.1.1", "a text of 64 KiB in fragments of 1300 bytes", automatic


# Each size, and the size of the fragments.
SIZES = [(16, 0), (64, 0), (256, 0), (1024, 0), (4096, 0), (8192, 0), (16384, 0), (32768, 0), (65536, 0), (131072, 0),
         (8192, 256), (16384, 256), (32768, 256), (65536, 256), (131072, 256), (131072, 1024), (131072, 4096), (131072, 32768)]
OFFER = "permessage-deflate; client_no_context_takeover; client_max_window_bits"
FORGET, WINDOW = "; server_no_context_takeover", "; server_max_window_bits="
OFFERS = [
    [OFFER],
    [OFFER + FORGET],
    [OFFER + WINDOW + "9"],
    [OFFER + WINDOW + "15"],
    [OFFER + FORGET + WINDOW + "9"],
    [OFFER + FORGET + WINDOW + "15"],
    [OFFER + FORGET + WINDOW + "9", OFFER + FORGET, OFFER],
]


def compressing(run, *offers):
    peer = run.open(*(offers or [OFFER]))
    if peer.deflate is None:
        raise Unimplemented
    return peer


def compression():
    samples = Samples()
    for group, name in enumerate(("json", "bitmap", "prose", "html", "dense"), 1):
        for number, size in enumerate(SIZES, 1):
            yield f"12.{group}.{number}", "%s, messages of %d bytes, fragments of %d" % (name, *size), compressed(samples, name, [OFFER], *size)
    for group, offers in enumerate(OFFERS, 1):
        for number, size in enumerate(SIZES, 1):
            yield f"13.{group}.{number}", "messages of %d bytes, fragments of %d, %s" % (*size, offers), compressed(samples, "json", offers, *size)


def compressed(samples, name, offers, size, fragment):
    def run(run):
        peer = compressing(run, *offers)
        peer.patience = 100
        opcode, kind, sample = samples.of(name)
        at = 0
        for _ in range(run.messages):
            message = (sample[at:at + size] + sample[: max(0, at + size - len(sample))])
            at = (at + size) % len(sample)
            message = message.encode() if kind == "text" else message
            peer.compressed(opcode, message, fragment)
            expect(peer, (kind, message))
        clean(peer)
    return run


class Samples:
    """Content of the five kinds, always the same, which compresses about as well as Autobahn's files do."""

    def __init__(self):
        self.made = {}

    def of(self, name):
        if name not in self.made:
            self.made[name] = getattr(self, name)(random.Random(name))
        sample = self.made[name]
        return (TEXT, "text", sample) if isinstance(sample, str) else (BINARY, "binary", sample)

    def words(self, chance, count):
        syllables = "der die das und in den von zu mit sich auf für ist im dem nicht ein eine als auch es an werden aus er hat dass sie nach wird bei".split()
        return ["".join(chance.choices(syllables, k=chance.randint(1, 3))) for _ in range(count)]

    def json(self, chance):
        words = self.words(chance, 500)
        return "[" + ",\n".join(
            f'{{"id": {number}, "name": "{chance.choice(words)}", "größe": {chance.random():.6f}, "tags": ["{chance.choice(words)}", "{chance.choice(words)}"]}}'
            for number in range(3000)) + "]"

    def html(self, chance):
        words = self.words(chance, 500)
        return "".join(f'<li class="item"><a href="/{chance.choice(words)}">{" ".join(chance.choices(words, k=9))}</a></li>\n' for _ in range(2500))

    def prose(self, chance):
        words = self.words(chance, 3000)
        return "".join(" ".join(chance.choices(words, k=8)).capitalize() + ".\r\n" for _ in range(3500)).encode()

    def bitmap(self, chance):
        return bytes((x + y) // 4 + chance.randint(0, 7) & 255 for y in range(512) for x in range(512))

    def dense(self, chance):
        return chance.randbytes(300_000)
