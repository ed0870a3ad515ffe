"""Cases for a server of files: ranges, conditions, negotiation, and paths that lead nowhere (RFC 9110 §8.8, §9, §12 to §15).

`make_tree` writes the directory that the server under test serves at `/`. `corpus` asks it for the validators of the
files, because each server has its own, and makes the cases, in the form that run_conformance.py reads."""
import gzip, hashlib, http.client, json, os, re

TIME = 1577934245  # Thu, 02 Jan 2020 03:04:05 GMT
EXACT, EARLIER, LATER = ("Thu, 02 Jan 2020 03:04:%02d GMT" % second for second in (5, 4, 6))
RFC850, ASCTIME = "Thursday, 02-Jan-20 03:04:05 GMT", "Thu Jan  2 03:04:05 2020"
SECRET = b"the secret outside"

def content(size):
    return bytes(b"0123456789abcdefghijklmnopqrstuvwxyz\n"[at % 37] for at in range(size))

CSS = b"body { color: #123 }\n" * 40
FILES = {
    "index.html": b"<!doctype html><title>root</title>",
    "a.txt": content(1000),
    "ten.txt": b"0123456789",
    "empty.txt": b"",
    "large.bin": content(200_000),
    "style.css": CSS,
    "style.css.gz": gzip.compress(CSS, mtime=0),
    "plain.css": b"p {}\n",
    "docs/index.html": b"<!doctype html><title>docs</title>",
    "docs/page.txt": b"a page\n",
    "with space.txt": b"space\n",
    "\u00e9.txt": b"accent\n",
    "per%cent.txt": b"percent\n",
    "evil.example/index.html": b"inside\n",
}

def make_tree(directory):
    """Writes DIRECTORY/root, which is to be served, and a secret beside it."""
    root = os.path.join(directory, "root")
    for path, data in FILES.items():
        path = os.path.join(root, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file: file.write(data)
        os.utime(path, (TIME, TIME))
    with open(os.path.join(directory, "secret.txt"), "wb") as file: file.write(SECRET)
    with open(os.path.join(root, ".hidden"), "wb") as file: file.write(SECRET)
    for make, *arguments in ((os.symlink, "../secret.txt", "out"), (os.mkfifo, "fifo")):
        path = os.path.join(root, arguments[-1])
        if not os.path.lexists(path): make(*arguments[:-1], path)
    return root

class Corpus:
    def __init__(self, host, port):
        self.cases = []
        self.validators = {path: self.learn(host, port, path) for path in ("a.txt", "ten.txt", "empty.txt", "style.css")}
    def learn(self, host, port, path):
        connection = http.client.HTTPConnection(host, port, timeout=5)
        connection.request("GET", "/" + path)
        response = connection.getresponse(); response.read(); connection.close()
        return response.getheader("ETag") or '"none"', response.getheader("Last-Modified") or EXACT
    def add(self, group, name, rfc, severity, why, target, fields, *allow, method="GET", **more):
        """`fields` are (name, value) pairs; ETAG in a value is the tag of a.txt."""
        etag = self.validators["a.txt"][0]
        lines = "".join("%s: %s\r\n" % (field, value.replace("ETAG", etag)) for field, value in fields)
        self.cases.append(dict(id="%s-%s" % (group, name), group=group, rfc="9110 §" + rfc, severity=severity, needs="root", why=why,
            steps=[{"send": "%s %s HTTP/1.1\r\nHost: a.test\r\n%s\r\n" % (method, target, lines)}], methods=[method], allow=list(allow), **more))

# What a response must be.
def whole(path, **headers):
    data = FILES[path]
    return dict(st=["200"], bodysha={"0": hashlib.sha256(data).hexdigest()}, hdr={"0": {"content-length": str(len(data)) + r"\Z", **headers}})
def part(path, first, last):
    data = FILES[path]
    return dict(st=["206"], body={"0": data[first:last + 1].decode("latin-1")}, hdr={"0": {"content-range": r"bytes %d-%d/%d\Z" % (first, last, len(data))}})
def parts(path, *ranges):
    data = FILES[path]
    return dict(st=["206"], hdr={"0": {"content-type": "multipart/byteranges; *boundary="}},
        multipart={"0": [["bytes %d-%d/%d" % (first, last, len(data)), data[first:last + 1].decode("latin-1")] for first, last in ranges]})
def unsatisfiable(path): return dict(st=["416"], hdr={"0": {"content-range": r"bytes \*/%d\Z" % len(FILES[path])}})
def status(*codes): return dict(st=["|".join(codes)])
def head(path): return dict(st=["200"], bodylen={"0": 0}, hdr={"0": {"content-length": str(len(FILES[path])) + r"\Z"}})
def warn(outcome): return dict(outcome, grade="warn")
NOT_MODIFIED = dict(st=["304"], bodylen={"0": 0})
FAILED = status("412")
NO_RANGE = r"(?im)^content-range:"

def corpus(host, port):
    c = Corpus(host, port)
    for build in (representations, methods, none_match, match, modified_since, unmodified_since, precedence, one_range, ignored_ranges,
                  several_ranges, if_range, negotiation, directories, traversal): build(c)
    return dict(name="files", cases=c.cases)

def representations(c):
    group = "representation"
    for path in FILES:
        target = "/" + path.replace("%", "%25").replace(" ", "%20").replace("\u00e9", "%C3%A9")
        c.add(group, "get-" + path, "9.3.1", "MUST", "a file is sent whole", target, [], whole(path))
        c.add(group, "head-" + path, "9.3.2", "MUST", "HEAD has the headers of GET, if not all of them, and no content", target, [], head(path), warn(dict(st=["200"], bodylen={"0": 0})),
              method="HEAD", nothdr=r"(?im)^content-length:(?! *%d\r?$)" % len(FILES[path]))
    for name, pattern, rfc, severity in (
            ("last-modified", re.escape(EXACT) + r"\Z", "8.8.2", "SHOULD"), ("etag", r'(W/)?"[\x21\x23-\x7e]*"\Z', "8.8.3", "SHOULD"),
            ("accept-ranges", r"bytes\Z", "14.3", "SHOULD"), ("content-type", "text/plain", "8.3", "SHOULD"), ("date", r"\w{3}, \d\d ", "6.6.1", "MUST")):
        c.add(group, name, rfc, severity, "a file is sent with " + name, "/a.txt", [], dict(st=["200"], hdr={"0": {name: pattern}}))
    c.add(group, "query", "4.2.2", "SHOULD", "a query names no other file", "/a.txt?x=/../secret.txt", [], whole("a.txt"))
    c.add(group, "escape", "4.2.3", "MUST", "an escape of an unreserved character means the same", "/%61.txt", [], whole("a.txt"))
    c.add(group, "escape-once", "4.2.3", "MUST", "escapes are decoded once", "/per%2525cent.txt", [], status("404"))
    c.add(group, "nothing", "15.5.5", "MUST", "what is not there is a 404", "/nothing.txt", [], status("404"))
    c.add(group, "head-nothing", "9.3.2", "MUST", "HEAD of what is not there is a 404 without content", "/nothing.txt", [], dict(st=["404"], bodylen={"0": 0}), method="HEAD")

def methods(c):
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        refused = dict(st=["405"], hdr={"0": {"allow": r".*\bGET\b"}})
        c.add("method", method.lower(), "15.5.6", "MUST", "405 has Allow; POST may mean the same as GET", "/a.txt", [("Content-Length", "0")], refused, warn(status("403", "501")), *([warn(whole("a.txt"))] if method == "POST" else []), method=method)
        c.add("method", method.lower() + "-after", "9.2.1", "SECURITY", "a refused method changes nothing", "/a.txt", [("If-None-Match", '"x"')], whole("a.txt"))
    c.add("method", "unknown", "9.1", "SHOULD", "an unknown method is refused", "/a.txt", [], status("405", "501"), warn(status("400")), method="BREW")
    c.add("method", "options", "9.3.7", "SHOULD", "OPTIONS says what is allowed", "/a.txt", [], dict(st=["200|204"], hdr={"0": {"allow": r".*\bGET\b"}}), warn(status("405", "501")), method="OPTIONS")

def none_match(c):
    rows = [("same", "ETAG", True), ("weak", "W/ETAG", True), ("star", "*", True), ("first", 'ETAG, "x"', True), ("last", '"x", "y", ETAG', True),
        ("no-space", '"x",ETAG', True), ("empty-elements", ',, ETAG , ,', True), ("comma-inside", '"a,b", ETAG', True), ("tab", '"x",\tETAG', True),
        ("many", ", ".join('"%d"' % n for n in range(100)) + ", ETAG", True),
        ("other", '"x"', False), ("weak-other", 'W/"x"', False), ("empty-tag", '""', False), ("unquoted", "x", False), ("comma-only", '"a,b"', False),
        ("star-quoted", '"*"', False), ("prefix", '"', False)]
    for name, value, is_match in rows:
        if value.startswith("W/ETAG") and c.validators["a.txt"][0].startswith("W/"): value = "ETAG"
        for method in ("GET", "HEAD"):
            full = whole("a.txt") if method == "GET" else head("a.txt")
            c.add("if-none-match", "%s-%s" % (name, method.lower()), "13.1.2", "MUST", "weak comparison: 304 if one of the tags is the current one",
                  "/a.txt", [("If-None-Match", value)], NOT_MODIFIED if is_match else full, method=method)
    c.add("if-none-match", "two-lines", "5.3", "MUST", "two lines are one list", "/a.txt", [("If-None-Match", '"x"'), ("If-None-Match", "ETAG")], NOT_MODIFIED)
    c.add("if-none-match", "nothing", "13.2.1", "MUST", "no condition holds for what is not there", "/nothing.txt", [("If-None-Match", "*")], status("404"))
    c.add("if-none-match", "304-etag", "15.4.5", "MUST", "304 has the ETag of a 200", "/a.txt", [("If-None-Match", "ETAG")],
          dict(NOT_MODIFIED, hdr={"0": {"etag": re.escape(c.validators["a.txt"][0]) + r"\Z"}}))
    c.add("if-none-match", "304-date", "6.6.1", "MUST", "304 has a Date", "/a.txt", [("If-None-Match", "ETAG")], dict(NOT_MODIFIED, hdr={"0": {"date": "."}}))
    c.add("if-none-match", "304-metadata", "15.4.5", "SHOULD", "304 has no other representation metadata", "/a.txt", [("If-None-Match", "ETAG")], NOT_MODIFIED, nothdr=r"(?im)^content-(type|encoding|range):")

def match(c):
    is_weak = c.validators["a.txt"][0].startswith("W/")
    rows = [("same", "ETAG", not is_weak), ("star", "*", True), ("among", '"x", ETAG', not is_weak), ("comma-inside", '"a,b", ETAG', not is_weak),
        ("weak", "W/ETAG" if not is_weak else "ETAG", False), ("other", '"x"', False), ("several-others", '"x", "y"', False), ("empty-tag", '""', False)]
    for name, value, is_match in rows:
        for method in ("GET", "HEAD"):
            full = whole("a.txt") if method == "GET" else head("a.txt")
            c.add("if-match", "%s-%s" % (name, method.lower()), "13.1.1", "MUST", "strong comparison: 412 if none of the tags is the current one",
                  "/a.txt", [("If-Match", value)], full if is_match else FAILED, method=method)
    c.add("if-match", "two-lines", "5.3", "MUST", "two lines are one list", "/a.txt", [("If-Match", '"x"'), ("If-Match", "ETAG")], whole("a.txt") if not is_weak else FAILED)
    c.add("if-match", "nothing", "13.2.1", "MUST", "no condition matters for what is not there", "/nothing.txt", [("If-Match", '"x"')], status("404"), warn(FAILED))

DATES = [("same", EXACT, 0), ("earlier", EARLIER, -1), ("later", LATER, 1), ("rfc850", RFC850, 0), ("asctime", ASCTIME, 0), ("epoch", "Thu, 01 Jan 1970 00:00:00 GMT", -1),
    ("year-2100", "Fri, 01 Jan 2100 00:00:00 GMT", 1)]
INVALID_DATES = [("empty", ""), ("number", "1577934245"), ("word", "yesterday"), ("no-zone", "Thu, 02 Jan 2020 03:04:05"), ("iso", "2020-01-02T03:04:05Z"),
    ("month", "Thu, 02 Foo 2020 03:04:05 GMT"), ("two", EXACT + ", " + EXACT)]

def modified_since(c):
    for name, date, order in DATES:
        unmodified = order >= 0
        # §13.1.3: a server may use the exact match; an old date may be one.
        allow = [NOT_MODIFIED] if unmodified else [whole("a.txt")]
        if name == "later" or name == "year-2100": allow.append(warn(whole("a.txt")))
        c.add("if-modified-since", name, "13.1.3", "MUST", "304 unless it was modified after the date", "/a.txt", [("If-Modified-Since", date)], *allow)
        if name in ("same", "earlier"):
            c.add("if-modified-since", name + "-head", "13.1.3", "MUST", "the same by HEAD", "/a.txt", [("If-Modified-Since", date)], NOT_MODIFIED if unmodified else head("a.txt"), method="HEAD")
    for name, date in INVALID_DATES:
        c.add("if-modified-since", "invalid-" + name, "13.1.3", "MUST", "what is no date is ignored", "/a.txt", [("If-Modified-Since", date)], whole("a.txt"))

def unmodified_since(c):
    for name, date, order in DATES:
        c.add("if-unmodified-since", name, "13.1.4", "MUST", "412 if it was modified after the date", "/a.txt", [("If-Unmodified-Since", date)], whole("a.txt") if order >= 0 else FAILED)
    for name, date in INVALID_DATES:
        c.add("if-unmodified-since", "invalid-" + name, "13.1.4", "MUST", "what is no date is ignored", "/a.txt", [("If-Unmodified-Since", date)], whole("a.txt"))

def precedence(c):
    full, same = whole("a.txt"), "*"  # `*` is strong for every server
    rows = [
        ("match-over-unmodified", [("If-Match", same), ("If-Unmodified-Since", EARLIER)], full),
        ("failed-match-over-unmodified", [("If-Match", '"x"'), ("If-Unmodified-Since", LATER)], FAILED),
        ("none-match-over-modified", [("If-None-Match", '"x"'), ("If-Modified-Since", LATER)], full),
        ("none-match-over-exact", [("If-None-Match", '"x"'), ("If-Modified-Since", EXACT)], full),
        ("none-match-holds-over-modified", [("If-None-Match", "ETAG"), ("If-Modified-Since", EARLIER)], NOT_MODIFIED),
        ("match-before-none-match", [("If-Match", '"x"'), ("If-None-Match", "ETAG")], FAILED),
        ("match-then-none-match", [("If-Match", same), ("If-None-Match", "ETAG")], NOT_MODIFIED),
        ("unmodified-before-none-match", [("If-Unmodified-Since", EARLIER), ("If-None-Match", "ETAG")], FAILED),
        ("unmodified-before-modified", [("If-Unmodified-Since", EARLIER), ("If-Modified-Since", EXACT)], FAILED),
        ("unmodified-then-modified", [("If-Unmodified-Since", EXACT), ("If-Modified-Since", EXACT)], NOT_MODIFIED),
        ("none-match-before-range", [("If-None-Match", "ETAG"), ("Range", "bytes=0-4")], NOT_MODIFIED),
        ("modified-before-range", [("If-Modified-Since", EXACT), ("Range", "bytes=0-4")], NOT_MODIFIED),
        ("match-before-range", [("If-Match", '"x"'), ("Range", "bytes=0-4")], FAILED),
        ("match-then-range", [("If-Match", same), ("Range", "bytes=0-4")], part("a.txt", 0, 4), warn(full)),
        ("none-match-then-range", [("If-None-Match", '"x"'), ("Range", "bytes=0-4")], part("a.txt", 0, 4), warn(full)),
        ("none-match-before-416", [("If-None-Match", "ETAG"), ("Range", "bytes=5000-")], NOT_MODIFIED),
        ("match-then-416", [("If-Match", same), ("Range", "bytes=5000-")], unsatisfiable("a.txt"), warn(status("416")), warn(full)),
    ]
    for name, fields, *allow in rows:
        c.add("precedence", name, "13.2.2", "MUST", "conditions have an order", "/a.txt", fields, *allow)
        c.add("precedence", name + "-reversed", "5.3", "MUST", "the order of lines does not matter", "/a.txt", fields[::-1], *allow)

def one_range(c):
    rows = [("first", "0-0", 0, 0), ("begin", "0-499", 0, 499), ("middle", "500-599", 500, 599), ("open", "900-", 900, 999), ("all", "0-", 0, 999), ("exact", "0-999", 0, 999),
        ("last", "999-999", 999, 999), ("last-open", "999-", 999, 999), ("beyond", "990-1500", 990, 999), ("far-beyond", "990-99999999999999999999999", 990, 999),
        ("suffix", "-10", 990, 999), ("suffix-one", "-1", 999, 999), ("suffix-all", "-1000", 0, 999), ("suffix-more", "-5000", 0, 999), ("suffix-huge", "-99999999999999999999999", 0, 999),
        ("zeros", "0000-0009", 0, 9)]
    for name, spec, first, last in rows:
        c.add("range", name, "14.1.2", "MUST", "a range is sent as 206 with Content-Range", "/a.txt", [("Range", "bytes=" + spec)], part("a.txt", first, last), warn(whole("a.txt")))
    c.add("range", "unit-case", "14.1", "SHOULD", "units are case-insensitive", "/a.txt", [("Range", "Bytes=0-4")], part("a.txt", 0, 4), warn(whole("a.txt")))
    c.add("range", "empty-elements", "5.6.1.2", "SHOULD", "empty elements are ignored", "/a.txt", [("Range", "bytes=,0-4,")], part("a.txt", 0, 4), warn(whole("a.txt")))
    c.add("range", "large", "14.1.2", "MUST", "a range of a larger file", "/large.bin", [("Range", "bytes=100000-199998")], part("large.bin", 100_000, 199_998), warn(whole("large.bin")))
    c.add("range", "no-metadata-lost", "15.3.7", "MUST", "206 has the ETag of a 200", "/a.txt", [("Range", "bytes=0-4")], dict(part("a.txt", 0, 4), hdr={"0": {"etag": re.escape(c.validators["a.txt"][0]) + r"\Z"}}), warn(whole("a.txt")))
    for name, spec in (("after", "1000-"), ("after-to", "1000-2000"), ("far", "99999999999999999999-"), ("suffix-zero", "-0"), ("all-after", "1000-1001,2000-"), ("after-and-zero", "1000-,-0")):
        c.add("range", "416-" + name, "15.5.17", "MUST", "what has no byte of the file is 416 with its length", "/a.txt", [("Range", "bytes=" + spec)], unsatisfiable("a.txt"), warn(status("416")), warn(whole("a.txt")))
    for name, spec in (("open", "0-"), ("suffix", "-5"), ("to", "0-4")):
        c.add("range", "empty-file-" + name, "14.1.2", "MUST", "an empty file has no ranges", "/empty.txt", [("Range", "bytes=" + spec)], whole("empty.txt"), unsatisfiable("empty.txt"))

def ignored_ranges(c):
    full, refused = whole("a.txt"), status("416", "400")
    name = lambda value: re.sub(r"[^\w-]", "_", value)
    for value in ("bytes=5-4", "bytes=-", "bytes=", "bytes", "bytes=a-b", "bytes=1", "bytes=1-2-3", "bytes=--1", "bytes=1-2;3-4", "bytes=+1-2", "bytes=0x0-1", "bytes:0-1", "bytes=1.0-2", "0-1", "=0-1", "bytes =0-1"):
        c.add("range-ignored", name(value), "14.2", "SHOULD", "what is no range is ignored or rejected", "/a.txt", [("Range", value)], full, refused)
    for value in ("bytes=0-1,x", "bytes=5-4,0-1"):
        c.add("range-ignored", name(value), "14.2", "SHOULD", "ranges of which one is invalid are ignored or rejected", "/a.txt", [("Range", value)], full, refused, warn(part("a.txt", 0, 1)))
    for value in ("lines=0-1", "none=0-1", "byte=0-1", "bytess=0-1"):
        c.add("range-ignored", name(value), "14.2", "MUST", "ranges of a unit that is not known are ignored", "/a.txt", [("Range", value)], full)
    c.add("range-ignored", "head", "14.2", "MUST", "only GET has ranges", "/a.txt", [("Range", "bytes=0-4")], head("a.txt"), method="HEAD", nothdr=NO_RANGE)
    c.add("range-ignored", "head-416", "14.2", "MUST", "only GET has ranges", "/a.txt", [("Range", "bytes=5000-")], head("a.txt"), method="HEAD")
    c.add("range-ignored", "nothing", "14.2", "MUST", "no range matters for what is not there", "/nothing.txt", [("Range", "bytes=0-4")], status("404"), nothdr=NO_RANGE)
    c.add("range-ignored", "two-lines", "5.3", "SHOULD", "Range is no list of lines", "/a.txt", [("Range", "bytes=0-4"), ("Range", "bytes=5-9")], whole("a.txt"), status("400"), warn(part("a.txt", 0, 4)))

def several_ranges(c):
    full = whole("a.txt")
    rows = [("two", "0-9,500-509", parts("a.txt", (0, 9), (500, 509))), ("three", "0-0,400-401,-1", parts("a.txt", (0, 0), (400, 401), (999, 999))),
        ("spaces", "0-9 , 500-509,\t900-", parts("a.txt", (0, 9), (500, 509), (900, 999))), ("descending", "900-999,0-9", parts("a.txt", (900, 999), (0, 9))),
        ("one-outside", "0-9,500-509,1000-", parts("a.txt", (0, 9), (500, 509)))]
    for name, spec, outcome in rows:
        c.add("ranges", name, "15.3.7.2", "MUST", "several ranges are a multipart/byteranges", "/a.txt", [("Range", "bytes=" + spec)], outcome, warn(full))
        c.add("ranges", name + "-no-content-range", "15.3.7.2", "MUST", "several parts have no Content-Range in the head", "/a.txt", [("Range", "bytes=" + spec)], status("206"), warn(full), nothdr=NO_RANGE)
    single = part("a.txt", 0, 9)
    c.add("ranges", "only-one-inside", "15.3.7.1", "MUST", "of one range that is left a single part is sent, or a multipart with it", "/a.txt", [("Range", "bytes=0-9,2000-")], single, parts("a.txt", (0, 9)), full)
    joined = [dict(st=["206"], hdr={"0": {"content-range": r"bytes 0-19/1000\Z"}}), parts("a.txt", (0, 9), (10, 19)), parts("a.txt", (0, 12), (8, 19)), full]
    c.add("ranges", "adjacent", "15.3.7.2", "MUST", "adjacent ranges are sent as one or as they are", "/a.txt", [("Range", "bytes=0-9,10-19")], *joined)
    c.add("ranges", "overlapping", "15.3.7.2", "MUST", "overlapping ranges are sent as one or as they are", "/a.txt", [("Range", "bytes=0-12,8-19")], *joined)
    for name, spec, least in (("hundred", ",".join("%d-%d" % (n, n) for n in range(0, 1000, 10)), 1000), ("thousand-same", ",".join(["0-"] * 1000), 1000), ("overlaps", ",".join("%d-" % n for n in range(200)), 1000)):
        c.add("ranges", "bounded-" + name, "14.2", "SECURITY", "many small or overlapping ranges do not make the response much larger than the file", "/a.txt", [("Range", "bytes=" + spec)],
              status("200", "206", "416", "400"), most=20_000)

def if_range(c):
    etag, modified = c.validators["a.txt"]
    full, some = whole("a.txt"), part("a.txt", 0, 4)
    strong = [some, warn(full)] if not etag.startswith("W/") else [full]
    rows = [("same", "ETAG", strong), ("other", '"x"', [full]), ("weak-same", "W/" + etag.removeprefix("W/"), [full]), ("weak-other", 'W/"x"', [full]), ("date", modified, [some, warn(full)]),
        ("earlier", EARLIER, [full]), ("later", LATER, [full]), ("invalid", "yesterday", [full]), ("empty", "", [full, some]), ("star", "*", [full]), ("unquoted", "x", [full])]
    for name, value, allow in rows:
        c.add("if-range", name, "13.1.5", "MUST", "a range is sent only of the version that the client has", "/a.txt", [("If-Range", value), ("Range", "bytes=0-4")], *allow)
    c.add("if-range", "alone", "13.1.5", "MUST", "without Range it is ignored", "/a.txt", [("If-Range", '"x"')], full)
    c.add("if-range", "other-and-outside", "13.1.5", "MUST", "of another version even a range outside is ignored", "/a.txt", [("If-Range", '"x"'), ("Range", "bytes=5000-")], full)
    c.add("if-range", "same-and-outside", "13.1.5", "MUST", "of the same version a range outside is 416", "/a.txt", [("If-Range", "ETAG"), ("Range", "bytes=5000-")], *([unsatisfiable("a.txt"), warn(status("416"))] if some in strong else []), warn(full))
    c.add("if-range", "several", "13.1.5", "MUST", "it holds for several ranges", "/a.txt", [("If-Range", '"x"'), ("Range", "bytes=0-4,500-509")], full)
    c.add("if-range", "head", "13.1.5", "MUST", "HEAD has neither", "/a.txt", [("If-Range", "ETAG"), ("Range", "bytes=0-4")], head("a.txt"), method="HEAD", nothdr=NO_RANGE)

def negotiation(c):
    identity = dict(whole("style.css"))
    encoded = whole("style.css.gz", **{"content-encoding": r"gzip\Z", "vary": "(?i).*accept-encoding"})
    accept = [("gzip", "gzip"), ("list", "deflate, gzip;q=0.9"), ("case", "GZIP"), ("x-gzip", "x-gzip"), ("q1", "gzip;q=1.000"), ("small", "gzip;q=0.001"), ("star", "*"), ("spaces", "gzip ; q=0.5"),
        ("browser", "gzip, deflate, br, zstd"), ("identity-worse", "gzip, identity;q=0.5"), ("no-identity", "gzip, identity;q=0"), ("no-others", "gzip, *;q=0"), ("empty-elements", ", gzip ,")]
    refuse = [("none", None), ("empty", ""), ("identity", "identity"), ("q0", "gzip;q=0"), ("q0-digits", "gzip;q=0.000"), ("q0-space", "gzip ; q=0"), ("star-q0", "*;q=0, identity"), ("star-but-gzip", "*, gzip;q=0"),
        ("other", "compress, x-unknown"), ("prefix", "gzipped"), ("identity-better", "identity, gzip;q=0.5"), ("q0-among", "br, gzip;q=0, deflate")]
    for name, value in accept:
        c.add("accept-encoding", name, "12.5.3", "MUST", "gzip, if it is there, may be sent, with its name and Vary", "/style.css", [("Accept-Encoding", value)], encoded, warn(identity))
    for name, value in refuse:
        severity = "SHOULD" if name == "identity-better" else "MUST"
        c.add("accept-encoding", "not-" + name, "12.5.3", severity, "a coding that is not accepted is not sent", "/style.css", [("Accept-Encoding", value)] if value is not None else [], identity, nothdr="(?im)^content-encoding:")
    c.add("accept-encoding", "nothing-acceptable", "12.5.3", "MUST", "if nothing is acceptable: the file as it is, or 406", "/plain.css", [("Accept-Encoding", "identity;q=0")], whole("plain.css"), status("406"))
    c.add("accept-encoding", "no-sibling", "12.5.3", "MUST", "without a sibling the file is sent", "/plain.css", [("Accept-Encoding", "gzip")], whole("plain.css"))
    c.add("accept-encoding", "range", "14.2", "MUST", "ranges are of what is sent", "/style.css", [("Accept-Encoding", "gzip"), ("Range", "bytes=0-1")],
          dict(part("style.css.gz", 0, 1), hdr={"0": {"content-encoding": "gzip", "content-range": "bytes 0-1/%d" % len(FILES["style.css.gz"])}}), part("style.css", 0, 1), warn(encoded))
    c.add("accept-encoding", "etag", "8.8.3.3", "MUST", "an encoding has a tag of its own", "/style.css", [("Accept-Encoding", "gzip"), ("If-None-Match", c.validators["style.css"][0].removeprefix("W/"))],
          encoded, warn(NOT_MODIFIED))
    c.add("accept-encoding", "head", "9.3.2", "MUST", "HEAD is negotiated like GET", "/style.css", [("Accept-Encoding", "gzip")], dict(head("style.css.gz"), hdr={"0": {"content-encoding": "gzip"}}), warn(head("style.css")), method="HEAD")

def directories(c):
    moved = r"(http://a\.test(:\d+)?)?(/docs/|\./docs/|docs/)"
    c.add("directory", "index", "3.1", "SHOULD", "a directory has an index", "/docs/", [], whole("docs/index.html"))
    c.add("directory", "slash", "15.4", "SHOULD", "without a slash it is redirected", "/docs", [], dict(st=["301|302|307|308"], hdr={"0": {"location": moved + r"\Z"}}))
    c.add("directory", "slash-query", "15.4", "SHOULD", "the query stays", "/docs?a=b", [], dict(st=["301|302|307|308"], hdr={"0": {"location": moved + r"\?a=b\Z"}}))
    c.add("directory", "file-slash", "4.2.3", "SHOULD", "a file is no directory", "/a.txt/", [], status("404"), warn(status("301", "308", "400", "403", "500")))
    for name, target in (("slashes", "//evil.example"), ("three", "///evil.example"), ("backslash", "/%5Cevil.example"), ("slash-escaped", "/%2Fevil.example"), ("dots", "/docs/..//evil.example"), ("tab", "/%09/evil.example")):
        c.add("directory", "no-open-redirect-" + name, "17.1", "SECURITY", "a redirect leads to no other host", target, [], status("2xx", "3xx", "4xx", "5xx"), nothdr=r"(?im)^location: *([/\\]{2}|[/\\]\t?[/\\]|https?://evil)")

def traversal(c):
    dots = ["..", "%2e%2e", "%2E.", ".%2e", "%252e%252e", "..%00", "..;", "%c0%ae%c0%ae", "..%c0%af", "\\..", "..%5c", "..%5c..%5c", "%2e%2e%2f", "..%2f", "%2e%2e%5c", "..%255c", "..%252f"]
    for at, dot in enumerate(dots):
        for place in ("", "docs/"):
            target = "/%s%s/%ssecret.txt" % (place, dot, "../" if place else "")
            c.add("traversal", "%d-%s" % (at, "docs" if place else "root"), "17.3", "SECURITY", "nothing outside is sent: " + dot, target, [], status("4xx", "3xx", "500"), notbody=SECRET.decode())
    c.add("traversal", "absolute", "17.3", "SECURITY", "nothing outside is sent", "//etc/passwd", [], status("4xx", "3xx"), notbody="root:")
    c.add("traversal", "fifo", "17.3", "SECURITY", "nobody waits for a FIFO", "/fifo", [], status("4xx", "5xx"))
    c.add("traversal", "link", "17.3", "SHOULD", "a link that leads outside is not followed", "/out", [], status("403", "404"), notbody=SECRET.decode())
    c.add("traversal", "hidden", "17.3", "SHOULD", "dot files are not sent", "/.hidden", [], status("403", "404"), notbody=SECRET.decode())
    c.add("traversal", "nul", "17.3", "SECURITY", "a NUL ends no name", "/a.txt%00.html", [], status("4xx"))
