"""HTTP access to a service: one shared client per event loop, and errors that say whether any work was begun."""

from fusionflow_nb.providers.http.answer import Answer
from fusionflow_nb.providers.http.client import Http
from fusionflow_nb.providers.http.download import DownloadedFile, check_size
from fusionflow_nb.providers.http.endpoint import Endpoint
from fusionflow_nb.providers.http.multipart import Part, form_fields
from fusionflow_nb.providers.http.upload import upload_to_url

__all__ = ["Answer", "DownloadedFile", "Endpoint", "Http", "Part", "check_size", "form_fields", "upload_to_url"]
