"""A local server that simulates the services' HTTP APIs, for tests and for use without API keys.

Responses follow the services' documentation and are accepted by the official clients; media come from the local
provider. It validates our requests; it does not reproduce how a real service fails.
"""

from fusionflow_nb.simulator.scenario import Fault, Scenario, World
from fusionflow_nb.simulator.server import Simulator

__all__ = ["Fault", "Scenario", "Simulator", "World"]
