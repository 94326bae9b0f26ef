"""The `istio` stack: everything that is Istio's."""
