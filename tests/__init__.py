"""Tests. The folders are kinds (unit, contract, integration, acceptance, house), not mirrors."""
