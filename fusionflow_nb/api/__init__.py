"""Writing a flow in Python: nodes are calls, edges are arguments, and the flow runs where it stands.

flow = ff.Flow("Neon city")
still = flow.generate_image("neon city at midnight", seed=7)
clip = flow.generate_video(image=flow.upscale(still))
run = flow.run()
"""

from __future__ import annotations

from fusionflow_nb.api.flow import Flow, recipe
from fusionflow_nb.api.node import node
from fusionflow_nb.api.placed_node import random

__all__ = ["Flow", "node", "random", "recipe"]
