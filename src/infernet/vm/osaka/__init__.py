"""The engine: Ethereum's execution specification, fork Osaka. All that knows the package stands in this folder."""
