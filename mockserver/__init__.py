"""A mock of a DVID server, as strict as the real one, for tests without a server at hand.

>>> from mockserver import Fault, MockServer
>>> with MockServer(faults=[Fault("busy", times=3)]) as server:
...     print(server.url)  # doctest: +ELLIPSIS
http://127.0.0.1:...
"""

from .faults import Fault, Faults
from .server import MockServer, RequestRecord

__all__ = ["Fault", "Faults", "MockServer", "RequestRecord"]
