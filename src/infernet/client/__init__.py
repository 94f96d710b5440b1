"""Ask for model outputs and use contracts, from Python: `AsyncClient`, and `Client` for code without an event loop."""

from infernet.client.async_client import AsyncClient
from infernet.client.money_client import Balance
from infernet.client.outputs import Output
from infernet.client.sync_client import Client
from infernet.client.terms import Terms

__all__ = ["AsyncClient", "Balance", "Client", "Output", "Terms"]
