"""How an adapter is tested: the contract suite, the fake service, the in-memory store and a template adapter."""
