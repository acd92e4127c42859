"""Writing a flow in Python: nodes are calls, edges are arguments, and the flow runs where it stands.

flow = ff.Flow("Neon city")
still = flow.generate_image("neon city at midnight", seed=7)
clip = flow.generate_video(image=flow.upscale(still))
run = flow.run()
"""

from __future__ import annotations

from fusionflow_nb.author.flow import Flow, recipe
from fusionflow_nb.author.functions import node
from fusionflow_nb.author.placed import random

__all__ = ["Flow", "node", "random", "recipe"]
