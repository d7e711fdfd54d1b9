"""A private machine for tests: its own network, /etc, /var, /run and processes.

Start here: `sandbox.enter()` gives the machine, `Authority` the CA and the DNS, `Nginx` the web
server, `Sites` what the administrator had before Everseal came, `Everseal` the program under test,
`visitor` what a browser sees. `MachineCase` puts them together for one test.
"""

from .authority import Authority
from .case import MachineCase, main
from .everseal import Everseal
from .nginx import Nginx
from .sites import Application, Sites
from . import sandbox, visitor

__all__ = ["Application", "Authority", "Everseal", "MachineCase", "Nginx", "Sites", "main",
           "sandbox", "visitor"]
