"""The execution layer: an EVM chain whose precompiles run models, language models and vector search."""
