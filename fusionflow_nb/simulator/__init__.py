"""One local server that speaks the services' protocols, for tests and for trying the product without keys.

Its answers are shaped after the sheets, and the official clients are content with them; its media come from the local
provider. It proves that our requests are right, not how a service behaves on a bad day.
"""

from fusionflow_nb.simulator.scenario import Fault, Scenario, World
from fusionflow_nb.simulator.server import Simulator

__all__ = ["Fault", "Scenario", "Simulator", "World"]
