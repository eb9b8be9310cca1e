"""The endpoint: MLflow's scoring protocol and matching against the reference, over HTTP."""
