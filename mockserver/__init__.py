"""A mock of a DVID server for tests, as strict as the real server.

>>> from mockserver import Fault, MockServer
>>> with MockServer(faults=[Fault("busy", times=3)]) as server:
...     print(server.url)  # doctest: +ELLIPSIS
http://127.0.0.1:...
"""

from mockserver.dvid.server import MockServer
from mockserver.http.faults import Fault, Faults
from mockserver.http.shared import RequestRecord

__all__ = ["Fault", "Faults", "MockServer", "RequestRecord"]
