"""A private machine for tests: its own network, /etc, /var, /run and processes.

Start here: `sandbox.enter()` gives the machine, `Authority` the CA and the DNS, `Nginx` the web
server, `Sites` what the administrator had before Everseal came, `Everseal` the program under test,
`visitor` what a browser sees, `Proxy` a CA that misbehaves, `OwnCa` the CA that Everseal itself can
be. `MachineCase` puts them together for one test, `ManyNamesCase` for one with many certificates,
`OwnCaCase` is that of the CA alone.
"""

from .authority import Authority
from .case import MachineCase, main
from .everseal import Everseal
from .many_names import ManyNamesCase
from .nginx import Nginx
from .own_ca import OwnCa
from .own_ca_case import OwnCaCase
from .proxy import Proxy
from .sites import Application, Sites
from . import sandbox, visitor

__all__ = ["Application", "Authority", "Everseal", "MachineCase", "ManyNamesCase", "Nginx", "OwnCa",
           "OwnCaCase", "Proxy", "Sites", "main", "sandbox", "visitor"]
