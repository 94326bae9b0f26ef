"""The `istio` stack."""
