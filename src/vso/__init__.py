"""Vault Secrets Operator: secrets from HashiCorp Vault and OpenBao, synced into Kubernetes Secrets.

Start reading at `vso.app.wiring`, which shows the life of the process on one screen.
"""

__version__ = "0.1.0"
