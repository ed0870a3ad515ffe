"""What WebCore 2.0.4 expects of Python, and has been elsewhere since 3.10. Imported before it."""

import collections
import collections.abc

for name in ("Mapping", "MutableMapping", "Iterable", "Callable", "Sequence"):
    setattr(collections, name, getattr(collections.abc, name))
