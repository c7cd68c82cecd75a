"""Mocks of a DVID server, of an HPC DataStore and of Mikro for tests, like the real servers.

>>> from mockserver import Fault, MockServer
>>> with MockServer(faults=[Fault("busy", times=3)]) as server:
...     print(server.url)  # doctest: +ELLIPSIS
http://127.0.0.1:...
"""

from mockserver.dvid.server import MockServer
from mockserver.hpc.server import DataStoreServer
from mockserver.http.faults import Fault, Faults
from mockserver.http.shared import RequestRecord
from mockserver.mikro.server import MikroServer
from mockserver.mikro.steps import Step

__all__ = ["DataStoreServer", "Fault", "Faults", "MikroServer", "MockServer", "RequestRecord", "Step"]
