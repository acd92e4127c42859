"""`python -m fusionflow_nb` is `fusionflow`."""

from __future__ import annotations

from fusionflow_nb.cli import main

if __name__ == "__main__":
    main(prog_name="fusionflow")
