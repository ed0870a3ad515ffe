"""The two dispatchers in Python that hansel comes from, written anew from what their documents say.

Reads paths, one row of them a line, and writes how many were found and the nanoseconds that took.
"""

import re
import sys
import time


class Patterns:
    """Tries one regular expression after the other from the start of the path; its groups are arguments."""

    def __init__(self, count):
        self.urls = {}
        for i in range(count):
            self.urls[r"^/api/r%d/(?P<id>\d+)/items/(?P<item>\d+)$" % i] = self.both

    def both(self, id, item):
        return int(id), int(item)

    def dispatch(self, path):
        for url, function in self.urls.items():
            found = re.compile(url).match(path)
            if found:
                function(**found.groupdict())
                return True
        return False


class Names:
    """The first segment names a function; what follows is its list of parameters."""

    def __init__(self, count):
        for i in range(count):
            setattr(self, "method_f%d" % i, self.both)

    def both(self, parameters):
        a, b = parameters
        return int(a), int(b)

    def dispatch(self, path):
        name, *parameters = path.strip("/").split("/")
        function = getattr(self, "method_" + name, None)
        if function is None:
            return False
        function(parameters)
        return True


def main():
    dispatch = {"patterns": Patterns, "names": Names}[sys.argv[1]](int(sys.argv[2])).dispatch
    for line in sys.stdin:
        paths = line.split()
        began = time.perf_counter_ns()
        found = sum(map(dispatch, paths))
        print(found, time.perf_counter_ns() - began, flush=True)


main()
