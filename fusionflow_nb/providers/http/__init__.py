"""How an adapter talks to its service: one shared client per loop, and errors that say whether anything was begun."""

from fusionflow_nb.providers.http.answer import Answer
from fusionflow_nb.providers.http.client import Http
from fusionflow_nb.providers.http.download import Fetched, no_longer_than
from fusionflow_nb.providers.http.endpoint import Endpoint
from fusionflow_nb.providers.http.multipart import Part, as_fields
from fusionflow_nb.providers.http.upload import upload_reference

__all__ = ["Answer", "Endpoint", "Fetched", "Http", "Part", "as_fields", "no_longer_than", "upload_reference"]
