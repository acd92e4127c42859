"""`python -m fusionflow_nb` runs the command line."""

from __future__ import annotations

from fusionflow_nb.cli import main

if __name__ == "__main__":
    main(prog_name="fusionflow")
