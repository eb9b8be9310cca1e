"""The registry of models: every version logged, judged, promoted and found again, with MLflow."""
