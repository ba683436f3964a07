# Generated from src/transformers/models/case/modular_case.py and transformers 5.23.0.
# Do not edit: change the modular file and convert it again.
# Seal: sha256 93338a98697a66f86437305ba747f3c42cad1436b56a620bc8c8b8108e94a689
# The licence.

from transformers.processing_utils import ProcessorMixin


class CaseProcessor(ProcessorMixin):
    """Its file needs no such import."""

    def of(self, size: int) -> int:
        return size


__all__ = ["CaseProcessor"]
